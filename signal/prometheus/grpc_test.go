package prometheus

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"watari.dev/signal"
	"watari.dev/traffic"
)

// statuses are gRPC's status codes by number, as Go names them, and whether the guide
// calls them the server's fault.
var statuses = []struct {
	name   string
	server bool
}{
	{"OK", false}, {"Canceled", false}, {"Unknown", true}, {"InvalidArgument", false}, {"DeadlineExceeded", true}, {"NotFound", false},
	{"AlreadyExists", false}, {"PermissionDenied", false}, {"ResourceExhausted", true}, {"FailedPrecondition", false}, {"Aborted", false},
	{"OutOfRange", false}, {"Unimplemented", true}, {"Internal", true}, {"Unavailable", true}, {"DataLoss", true}, {"Unauthenticated", false},
}

// TestGRPCSelectorsOfTheGuide asks with every pair of selectors that the guide's section
// on gRPC has, where each status was answered another number of times.
func TestGRPCSelectorsOfTheGuide(t *testing.T) {
	pairs := guideSelectors(t)
	if len(pairs) != 2 {
		t.Fatalf("the guide has %d pairs of selectors: test each", len(pairs))
	}
	var series []*model.SampleStream
	var all, failed int64
	for number, status := range statuses {
		n := 1 << number
		all += int64(n)
		if status.server {
			failed += int64(n)
		}
		counter := func(name string, n int, labels ...string) {
			s := stream(name, "pod", "", 1000, 1000+n)
			for i := 0; i < len(labels); i += 2 {
				s.Metric[model.LabelName(labels[i])] = model.LabelValue(labels[i+1])
			}
			series = append(series, s)
		}
		numeral := model.SampleValue(number).String()
		for _, cluster := range []string{"eks-1-33", "eks-1-36"} {
			counter("grpc_server_handled_total", n, "cluster", cluster, "grpc_code", status.name, "grpc_type", "unary")
			counter("istio_requests_total", n, "reporter", "source", "destination_cluster", cluster, "grpc_response_status", numeral, "response_code", "200", "response_flags", "-")
			counter("istio_requests_total", 3*n, "reporter", "destination", "destination_cluster", cluster, "grpc_response_status", numeral, "response_code", "200", "response_flags", "-")
			counter("istio_requests_total", 7, "reporter", "source", "destination_cluster", cluster, "grpc_response_status", numeral, "response_code", "0", "response_flags", "DC")
		}
	}
	// What never reached the server: Envoy answers for it.
	envoy := stream("istio_requests_total", "pod", "", 50, 55)
	for name, value := range map[string]string{"reporter": "source", "destination_cluster": "eks-1-36", "grpc_response_status": "14", "response_code": "503", "response_flags": "UF"} {
		envoy.Metric[model.LabelName(name)] = model.LabelValue(value)
	}
	series = append(series, envoy)
	for _, pair := range pairs {
		of := func(text string) traffic.BySide[string] {
			return traffic.BySide[string]{Source: strings.ReplaceAll(text, "${environment}", "eks-1-33"), Target: strings.ReplaceAll(text, "${environment}", "eks-1-36")}
		}
		s := (&stored{series: series}).source(t)
		got, err := s.Counts(t.Context(), signal.Query{Requests: of(pair[0]), Errors: of(pair[1])}, at(0).Add(time.Millisecond), at(1).Add(time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		never := int64(0)
		if strings.HasPrefix(pair[0], "istio") {
			never = 5
		}
		if v := got.Source; v.State != traffic.Known || v.Value.Requests != all || v.Value.Errors != failed || v.Note != "" {
			t.Errorf("%s: source %+v, want %d of %d", pair[1], v, failed, all)
		}
		if v := got.Target; v.State != traffic.Known || v.Value.Requests != all+never || v.Value.Errors != failed+never {
			t.Errorf("%s: target %+v, want %d of %d", pair[1], v, failed+never, all+never)
		}
	}
}

// guideSelectors returns the selectors of requests and errors that stand in the guide's
// section on gRPC.
func guideSelectors(t *testing.T) (pairs [][2]string) {
	t.Helper()
	guide, err := os.ReadFile("../../docs/guide.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(guide), "\n### gRPC\n")
	if !found {
		t.Fatal("the guide has no section on gRPC")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		what, text, _ := strings.Cut(strings.TrimSpace(line), ": '")
		switch text = strings.TrimSuffix(text, "'"); what {
		case "requests":
			pairs = append(pairs, [2]string{text})
		case "errors":
			pairs[len(pairs)-1][1] = text
		}
	}
	return pairs
}
