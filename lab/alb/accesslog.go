package alb

import (
	"encoding/hex"
	"hash/fnv"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// logTime is ISO 8601 with microseconds, as in the examples of the guide.
const logTime = "2006-01-02T15:04:05.000000Z"

// maxAgent is where a User-Agent is truncated in the log.
const maxAgent = 8 << 10

// accessLog writes one line per request, in the field order of "Access logs
// for your Application Load Balancer", Syntax.
type accessLog struct {
	mu  sync.Mutex
	out io.Writer
	buf []byte
}

func (a *accessLog) write(r *record) error {
	if a.out == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.buf = append(appendLine(a.buf[:0], r), '\n')
	_, err := a.out.Write(a.buf)
	return err
}

func appendLine(b []byte, r *record) []byte {
	conf, groupARN := r.listener.conf(), "-"
	if r.group != nil {
		groupARN = r.group.arn
	}
	targetStatus := "-"
	if r.targetStatus != 0 {
		targetStatus = strconv.Itoa(r.targetStatus)
	}
	b = appendFields(b, r.kind)
	b = r.finished.UTC().AppendFormat(b, logTime)
	b = append(b, ' ')
	b = appendFields(b, loadBalancerID(conf.ARN, conf.LoadBalancer), r.client, r.targetAddr(),
		seconds(r.requestTime), seconds(r.targetTime), seconds(r.responseTime),
		strconv.Itoa(r.elbStatus), targetStatus,
		strconv.FormatInt(r.received, 10), strconv.FormatInt(r.sent, 10))
	b = appendQuoted(b, r.method+" "+r.url+" "+r.proto)
	b = appendQuoted(b, r.agent[:min(len(r.agent), maxAgent)])
	b = appendFields(b, "-", "-", groupARN) // ssl_cipher, ssl_protocol
	b = appendQuoted(b, r.trace)
	b = appendQuoted(b, "-") // domain_name: HTTPS only
	b = appendQuoted(b, "-") // chosen_cert_arn: HTTPS only
	b = appendFields(b, orDash(r.priority))
	b = r.created.UTC().AppendFormat(b, logTime)
	b = append(b, ' ')
	b = appendQuoted(b, r.actions)
	b = appendQuoted(b, "-") // redirect_url
	b = appendQuoted(b, "-") // error_reason: Lambda and authentication only
	b = appendQuoted(b, r.targetAddr())
	b = appendQuoted(b, targetStatus)
	b = appendQuoted(b, "-") // classification
	b = appendQuoted(b, "-") // classification_reason
	b = appendFields(b, connectionID(conf.ARN, r.client))
	b = appendQuoted(b, "-") // transformed_host: rules transform nothing here
	b = appendQuoted(b, "-") // transformed_uri
	b = appendQuoted(b, "-") // request_transform_status
	return b[:len(b)-1]      // without the space
}

// connectionID is the same for all requests of one connection, and tells nothing
// else. A client's port comes back after a while, and its ID with it.
func connectionID(listenerARN, client string) string {
	h := fnv.New128a()
	_, _ = io.WriteString(h, listenerARN+" "+client)
	return "TID_" + hex.EncodeToString(h.Sum(nil))
}

func appendFields(b []byte, fields ...string) []byte {
	for _, f := range fields {
		b = append(append(b, f...), ' ')
	}
	return b
}

// appendQuoted writes a field in double quotes. A quote, a backslash or a
// control character inside of it must not end the field or the line.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for _, c := range []byte(orDash(s)) {
		if c < ' ' || c == '"' || c == '\\' || c == 0x7f {
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return append(b, '"', ' ')
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func seconds(d time.Duration) string {
	if d < 0 {
		return "-1"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 3, 64)
}

// loadBalancerID takes app/name/id out of a listener's ARN, which is
// arn:partition:elasticloadbalancing:region:account:listener/app/name/id/id.
func loadBalancerID(listenerARN, name string) string {
	if _, path, ok := strings.Cut(listenerARN, ":listener/"); ok {
		if i := strings.LastIndexByte(path, '/'); i > 0 {
			return path[:i]
		}
	}
	return name
}
