//go:build linux

package main

import (
	"strings"
	"testing"
	"time"

	"watari.dev/lab/fault"
)

// What the list of faults looks like.
func TestWriteFaults(t *testing.T) {
	at := time.Date(2026, 3, 1, 2, 3, 4, 0, time.UTC)
	list := []fault.Injected{
		{
			ID: "aws-1", Began: at, Until: at.Add(fault.MaxFor), Ended: at, End: fault.UsedUp, Pending: 1,
			Fault: fault.Fault{AWS: &fault.AWS{Kind: fault.Late, Service: "elbv2", Action: fault.Writes, Delay: 5 * time.Second, Times: 3}},
			Hits:  []fault.Hit{{Service: "elbv2", Action: "ModifyListener", Count: 2}, {Service: "elbv2", Action: "RegisterTargets", Count: 1}},
		},
		{
			ID: "kill-1", Began: at, Until: at, Ended: at, End: fault.Over, Fault: fault.Fault{Kill: &fault.Kill{Component: fault.Etcd, Side: fault.Source}},
			Hits: []fault.Hit{{Service: "process", Action: "eks-1-33-etcd", Count: 1}},
		},
		{ID: "partition-1", Began: at, Until: at.Add(30 * time.Second), Fault: fault.Fault{Partition: &fault.Partition{Side: fault.Target, For: 30 * time.Second}}},
	}
	var out strings.Builder
	if err := writeFaults(&out, list, at.Add(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	want := `id            since      state                   hits   what                                             bit
aws-1         02:03:04   used up, 1 still to come  3      late elbv2 writes by 5s 3 times                  elbv2 ModifyListener: 2, elbv2 RegisterTargets: 1
kill-1        02:03:04   over                    1      kill -9 of the source's etcd                     eks-1-33-etcd
partition-1   02:03:04   for 20s                 0      the target cut off for 30s; connections hang   nothing yet
`
	if got := out.String(); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	out.Reset()
	if err := writeFaults(&out, nil, at); err != nil || out.String() != "Nothing was made to go wrong since the start of the lab.\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// Every kind is explained in the help.
func TestEveryKindIsExplained(t *testing.T) {
	for _, k := range fault.Kinds() {
		if explainKind(k) == "" {
			t.Errorf("the help does not say what %s does", k)
		}
	}
}
