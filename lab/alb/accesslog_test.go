package alb

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// athena is the expression by which Amazon Athena reads these logs (Athena
// User Guide, "Create the table for ALB access logs"), anchored, with the fields that
// came since.
var athena = regexp.MustCompile(`^([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*):([0-9]*) ([^ ]*)[:-]([0-9]*) ([-.0-9]*) ([-.0-9]*) ([-.0-9]*) (|[-0-9]*) (-|[-0-9]*) ([-0-9]*) ([-0-9]*) "([^ ]*) (.*) (- |[^ ]*)" "([^"]*)" ([A-Z0-9-_]+) ([A-Za-z0-9.-]*) ([^ ]*) "([^"]*)" "([^"]*)" "([^"]*)" ([-.0-9]*) ([^ ]*) "([^"]*)" "([^"]*)" "([^ ]*)" "([^\s]+?)" "([^\s]+)" "([^ ]*)" "([^ ]*)" (TID_[0-9a-f]+) "([^"]*)" "([^"]*)" "([^"]*)"$`)

// athenaColumns are the columns of that table.
var athenaColumns = strings.Fields(`type time elb client_ip client_port target_ip target_port request_processing_time
	target_processing_time response_processing_time elb_status_code target_status_code received_bytes sent_bytes
	request_verb request_url request_proto user_agent ssl_cipher ssl_protocol target_group_arn trace_id domain_name
	chosen_cert_arn matched_rule_priority request_creation_time actions_executed redirect_url lambda_error_reason
	target_port_list target_status_code_list classification classification_reason conn_trace_id
	transformed_host transformed_uri request_transform_status`)

func parseLine(t *testing.T, line string) map[string]string {
	t.Helper()
	m := athena.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("Athena would not read this line: %s", line)
	}
	fields := make(map[string]string)
	for i, column := range athenaColumns {
		fields[column] = m[i+1]
	}
	return fields
}

func TestAccessLogLine(t *testing.T) {
	target := backend(t, says("hello"))
	config := oneGroup(target)
	config.Listeners[0].Port = 80
	config.Listeners[0].Rules = []Rule{{Priority: 7, Paths: []string{"/cart*"}, Action: config.Listeners[0].Default}}
	r := newHealthyRig(t, config)
	before := time.Now().Add(-time.Millisecond)
	request := "GET /cart?q=a%20b HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: curl/8.0 (\"quoted\")\r\nConnection: close\r\n\r\n"
	answer := r.raw(request)
	if !strings.HasSuffix(answer, "hello") {
		t.Fatalf("answer %q", answer)
	}
	got := parseLine(t, r.lines(1)[0])
	for column, want := range map[string]string{
		"type": "http", "elb": shopID, "client_ip": "127.0.0.1",
		"target_ip": target.Addr.Addr().String(), "elb_status_code": "200", "target_status_code": "200",
		"received_bytes": strconv.Itoa(len(request)), "request_verb": "GET", "request_url": "http://www.example.com:80/cart?q=a%20b",
		"request_proto": "HTTP/1.1", "user_agent": `curl/8.0 (\x22quoted\x22)`, "ssl_cipher": "-", "ssl_protocol": "-",
		"target_group_arn": sourceARN, "domain_name": "-", "chosen_cert_arn": "-", "matched_rule_priority": "7",
		"actions_executed": "forward", "redirect_url": "-", "lambda_error_reason": "-",
		"target_port_list": target.Addr.String(), "target_status_code_list": "200",
		"classification": "-", "classification_reason": "-",
		"transformed_host": "-", "transformed_uri": "-", "request_transform_status": "-",
	} {
		if got[column] != want {
			t.Errorf("%s = %q, want %q", column, got[column], want)
		}
	}
	if want := len(answer); got["sent_bytes"] != strconv.Itoa(want) {
		t.Errorf("sent_bytes = %s, want %d", got["sent_bytes"], want)
	}
	if !regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`).MatchString(got["trace_id"]) {
		t.Errorf("trace_id = %q", got["trace_id"])
	}
	for _, column := range []string{"time", "request_creation_time"} {
		at, err := time.Parse(time.RFC3339Nano, got[column])
		if err != nil || at.Before(before) || at.After(time.Now()) {
			t.Errorf("%s = %q, %v", column, got[column], err)
		}
	}
	for _, column := range []string{"request_processing_time", "target_processing_time", "response_processing_time"} {
		if !regexp.MustCompile(`^[0-9]\.[0-9]{3}$`).MatchString(got[column]) {
			t.Errorf("%s = %q, want seconds with milliseconds", column, got[column])
		}
	}
}

func TestConnectionIDs(t *testing.T) {
	r := newHealthyRig(t, oneGroup(backend(t, says("hello"))))
	request := "GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n"
	closing := strings.Replace(request, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
	r.raw(request + closing)
	r.raw(closing)
	lines := r.lines(3)
	first, again, other := parseLine(t, lines[0])["conn_trace_id"], parseLine(t, lines[1])["conn_trace_id"], parseLine(t, lines[2])["conn_trace_id"]
	if first != again || first == other {
		t.Errorf("one connection has %s and %s, another one %s", first, again, other)
	}
}

// TestTraceInTheLog is what tells first attempts and retries apart: the balancer
// preserves fields of the application ("Request tracing for your Application Load
// Balancer").
func TestTraceInTheLog(t *testing.T) {
	r := newHealthyRig(t, oneGroup(backend(t, says("hello"))))
	for i, c := range []struct{ sent, logged string }{
		{"", `^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`},
		{"Root=1-67891233-abcdef012345678912345678;Attempt=2", `^Self=1-[0-9a-f]{8}-[0-9a-f]{24};Root=1-67891233-abcdef012345678912345678;Attempt=2$`},
		{"Self=1-2-3;Root=1-67891233-abcdef012345678912345678", `^Self=1-[0-9a-f]{8}-[0-9a-f]{24};Root=1-67891233-abcdef012345678912345678$`},
	} {
		header := ""
		if c.sent != "" {
			header = "X-Amzn-Trace-Id: " + c.sent + "\r\n"
		}
		r.raw("GET / HTTP/1.1\r\nHost: www.example.com\r\n" + header + "Connection: close\r\n\r\n")
		if got := parseLine(t, r.lines(i + 1)[i])["trace_id"]; !regexp.MustCompile(c.logged).MatchString(got) {
			t.Errorf("%q is logged as %q", c.sent, got)
		}
	}
}

func TestLoadBalancerID(t *testing.T) {
	for in, want := range map[string]string{listenerARN: shopID, "made-up": "shop"} {
		if got := loadBalancerID(in, "shop"); got != want {
			t.Errorf("loadBalancerID(%s) = %s, want %s", in, got, want)
		}
	}
}
