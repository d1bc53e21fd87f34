package fault

import (
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		fault Fault
		want  string // part of the error; empty: none
	}{
		"throttle":            {Fault{AWS: &AWS{Kind: Throttle, Action: "ModifyRule", Times: 5}}, ""},
		"everything":          {Fault{AWS: &AWS{Kind: Error, Action: "*", For: time.Minute}}, ""},
		"reads":               {Fault{AWS: &AWS{Kind: Error, Service: "cloudwatch", Action: Reads, Times: 1}}, ""},
		"pattern":             {Fault{AWS: &AWS{Kind: Error, Action: "Describe*", Times: 1, Probability: 0.5}}, ""},
		"late":                {Fault{AWS: &AWS{Kind: Late, Delay: time.Second, UpTo: 2 * time.Second, Times: 1}}, ""},
		"partial":             {Fault{AWS: &AWS{Kind: Partial, After: 1, Times: 1}}, ""},
		"kill":                {Fault{Kill: &Kill{Component: APIServer, Side: Source}}, ""},
		"second node":         {Fault{Kill: &Kill{Component: Node, Side: Target, Node: 2, For: time.Second}}, ""},
		"partition":           {Fault{Partition: &Partition{Side: Target, For: time.Second, How: Reset}}, ""},
		"nothing":             {Fault{}, "one of aws, kill and partition; this one has 0"},
		"two":                 {Fault{Kill: &Kill{}, Partition: &Partition{}}, "this one has 2"},
		"kind":                {Fault{AWS: &AWS{Kind: "slow", Times: 1}}, `no kind "slow"; there are: throttle, error, error-after`},
		"service":             {Fault{AWS: &AWS{Kind: Error, Service: "s3", Times: 1}}, `no service "s3"; there are: cloudwatch, eks, elbv2, route53, sts`},
		"action":              {Fault{AWS: &AWS{Kind: Error, Service: "route53", Action: "ModifyRule", Times: 1}}, `no action "ModifyRule" of route53; there are: reads, writes, patterns such as Describe*, ChangeResourceRecordSets,`},
		"any action":          {Fault{AWS: &AWS{Kind: Error, Action: "modifyrule", Times: 1}}, `no action "modifyrule"; there are`},
		"no writes":           {Fault{AWS: &AWS{Kind: Error, Service: "cloudwatch", Action: Writes, Times: 1}}, `no action "writes" of cloudwatch`},
		"bad pattern":         {Fault{AWS: &AWS{Kind: Error, Action: "[", Times: 1}}, `no action "["`},
		"no end":              {Fault{AWS: &AWS{Kind: Error}}, "every fault needs an end"},
		"too long":            {Fault{AWS: &AWS{Kind: Error, For: time.Hour}}, "up to 15m0s"},
		"negative":            {Fault{AWS: &AWS{Kind: Error, Times: -1}}, "neither can be negative"},
		"chance":              {Fault{AWS: &AWS{Kind: Error, Times: 1, Probability: 2}}, "probability 2: give 0 to 1"},
		"delay of throttle":   {Fault{AWS: &AWS{Kind: Throttle, Times: 1, Delay: time.Second}}, "throttle takes no delay"},
		"no delay":            {Fault{AWS: &AWS{Kind: Delay, Times: 1}}, "a delay of 0s: give one above 0"},
		"long delay":          {Fault{AWS: &AWS{Kind: Late, Times: 1, Delay: time.Hour}}, "up to 2m0s"},
		"backward delay":      {Fault{AWS: &AWS{Kind: Late, Times: 1, Delay: 2, UpTo: 1}}, "the second must be longer"},
		"partial at once":     {Fault{AWS: &AWS{Kind: Partial, Times: 1}}, "say how many calls are done before"},
		"component":           {Fault{Kill: &Kill{Component: "kubelet", Side: Source}}, `no component "kubelet"; there are: api-server, etcd,`},
		"denied identity":     {Fault{AWS: &AWS{Kind: AccessDenied, Action: "GetCallerIdentity", Times: 1}}, "needs no permission"},
		"denied role":         {Fault{AWS: &AWS{Kind: AccessDenied, Service: "sts", Times: 1}}, ""},
		"expired nobody":      {Fault{AWS: &AWS{Kind: ExpiredToken, Action: "AssumeRoleWithWebIdentity", Times: 1}}, "no credentials"},
		"clock":               {Fault{AWS: &AWS{Kind: Clock, Off: -10 * time.Minute, For: time.Minute}}, ""},
		"right clock":         {Fault{AWS: &AWS{Kind: Clock, For: time.Minute}}, "a clock that is off by 0s: give up to 24h0m0s"},
		"another day":         {Fault{AWS: &AWS{Kind: Clock, Off: -25 * time.Hour, For: time.Minute}}, "give up to 24h0m0s"},
		"clock of throttle":   {Fault{AWS: &AWS{Kind: Throttle, Off: time.Hour, Times: 1}}, "throttle sets no clock off; clock does"},
		"side":                {Fault{Kill: &Kill{Component: Etcd, Side: "left"}}, `no side "left"; there are: source, target`},
		"numbered scheduler":  {Fault{Kill: &Kill{Component: Scheduler, Side: Source, Node: 1}}, "only nodes are numbered"},
		"down for ever":       {Fault{Kill: &Kill{Component: Etcd, Side: Source, For: time.Hour}}, "up to 15m0s"},
		"partition for ever":  {Fault{Partition: &Partition{Side: Source}}, "a partition needs an end"},
		"partition otherwise": {Fault{Partition: &Partition{Side: Source, For: 1, How: "burn"}}, `cannot "burn"; they can: hang, reset`},
	} {
		err := c.fault.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestString(t *testing.T) {
	for want, f := range map[string]Fault{
		"throttle AWS ModifyRule 5 times":                                       {AWS: &AWS{Kind: Throttle, Action: "ModifyRule", Times: 5}},
		"late elbv2 writes by 1s to 3s after 2 calls each with 12.5 % for 1m0s": {AWS: &AWS{Kind: Late, Service: "elbv2", Action: Writes, After: 2, Delay: time.Second, UpTo: 3 * time.Second, Probability: 0.125, For: time.Minute}},
		"error route53 * for 5s":                                                {AWS: &AWS{Kind: Error, Service: "route53", For: 5 * time.Second}},
		"clock AWS * off by -3h0m0s for 1m0s":                                   {AWS: &AWS{Kind: Clock, Off: -3 * time.Hour, For: time.Minute}},
		"kill -9 of the source's api-server":                                    {Kill: &Kill{Component: APIServer, Side: Source}},
		"kill -9 of the target's node 1, held down for 20s":                     {Kill: &Kill{Component: Node, Side: Target, For: 20 * time.Second}},
		"the target cut off for 30s; connections hang":                          {Partition: &Partition{Side: Target, For: 30 * time.Second}},
		"the source cut off for 30s; connections are reset":                     {Partition: &Partition{Side: Source, For: 30 * time.Second, How: Reset}},
		"nothing": {},
	} {
		if got := f.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestServices(t *testing.T) {
	if got := len(Actions("")); got != 3+2+26+10+4 {
		t.Errorf("%d actions", got)
	}
	for signing, want := range map[string]string{"elasticloadbalancing": "elbv2", "monitoring": "cloudwatch", "route53": "route53"} {
		if got := ServiceOf(signing); got != want {
			t.Errorf("ServiceOf(%s) = %s, want %s", signing, got, want)
		}
	}
}
