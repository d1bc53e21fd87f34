package alb

import "testing"

// TestFeaturesSayWhatTheGroupsSpeak: either side is enough, a group that is gone says
// nothing of the other one, and no right to ask is no error.
func TestFeaturesSayWhatTheGroupsSpeak(t *testing.T) {
	for name, c := range map[string]struct {
		speaks map[string]string
		grpc   bool
	}{
		"HTTP/1.1":              {map[string]string{oldGroup: "HTTP1", newGroup: "HTTP1"}, false},
		"HTTP/2 end to end":     {map[string]string{oldGroup: "HTTP2", newGroup: "HTTP2"}, false},
		"gRPC":                  {map[string]string{oldGroup: "GRPC", newGroup: "GRPC"}, true},
		"only the target":       {map[string]string{oldGroup: "HTTP2", newGroup: "GRPC"}, true},
		"the source's is gone":  {map[string]string{newGroup: "GRPC"}, true},
		"a Lambda function":     {map[string]string{oldGroup: "", newGroup: ""}, false},
		"nobody may ask":        {nil, false},
		"no group is there yet": {map[string]string{}, false},
	} {
		f := fakeWith(forwardTo(group(oldGroup, 100), group(newGroup, 0)))
		f.speaks = c.speaks
		got, err := driverOver(f, newClock()).Features(t.Context(), route(ruleARN))
		if err != nil || got.GRPC != c.grpc || got.MaxWeight != MaxWeight {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
