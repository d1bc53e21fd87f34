package accesslog

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// fileName is what the name of a file says of it, as AWS writes names.
type fileName struct {
	foreign  string    // what it is instead of an access log of an Application Load Balancer; empty if it may be one
	balancer string    // whose access log it is, as its entries name it; empty if the name does not say
	end      time.Time // of the period that it is for; zero if the name does not say
	given    string    // the name as AWS gave it, without what a copy has before it; only with balancer
}

// awsName is a log file in S3: account, service, region, what it is about, the end of
// its period. Those of Elastic Load Balancing go on with the address of a node, such as
// 123456789012_elasticloadbalancing_us-east-2_app.lb.1234567890abcdef_20140215T2340Z_172.160.001.192_20sg8hgm.log.gz
// ("Access logs for your Application Load Balancer", Access log files). In the resource
// ID of the load balancer slashes are replaced by periods, which no name has. Copies may
// have something before the account, such as a date.
var awsName = regexp.MustCompile(`^(.*[^A-Za-z0-9])?(\d{12})_([A-Za-z0-9-]+)_([a-z0-9-]+)_(.+?)_(\d{8}T\d{4}Z)_`)

// beside are what comes before the account in names of the other logs of an Application Load Balancer,
// which may have the same prefix in S3 ("Connection logs", "Health check logs"). The
// guide writes conn_log with a period, AWS with an underscore (grafana/lambda-promtail#23).
var beside = map[string]string{"conn_log": "connection logs", "health_check_log": "health check logs"}

// kindBefore is the kind of a log of Elastic Load Balancing before the account.
var kindBefore = regexp.MustCompile(`(?:^|[^A-Za-z0-9])([a-z]+(?:_[a-z]+)*_log)[._]$`)

// services are those whose logs have such names as well.
var services = map[string]string{
	"waflogs": "logs of AWS WAF", "vpcflowlogs": "VPC flow logs", "vpcdnsquerylogs": "logs of DNS queries", "CloudTrail": "logs of CloudTrail",
}

// nameOf reads the base name of a file. A name that only resembles AWS's says nothing.
func nameOf(base string) (n fileName) {
	m := awsName.FindStringSubmatch(base)
	if m == nil {
		return n
	}
	before, service, about := m[1], m[3], m[5]
	balancing := service == "elasticloadbalancing"
	switch kind := kindBefore.FindStringSubmatch(before); {
	case kind != nil: // of a kind that is not known, the lines say what it is
		if balancing {
			n.foreign = beside[kind[1]]
		}
	case balancing && strings.HasPrefix(about, "app."):
		n.balancer = strings.ReplaceAll(about, ".", "/")
		n.end, _ = time.Parse("20060102T1504Z", m[6])
		n.given = base[len(before):]
	case before != "": // the lines say what it is
	case !balancing:
		if n.foreign = services[service]; n.foreign == "" {
			n.foreign = "logs of other services"
		}
	case strings.HasPrefix(about, "net."):
		n.foreign = "access logs of Network Load Balancers"
	default:
		n.foreign = "access logs of Classic Load Balancers"
	}
	return n
}

// otherFormat is the kind of file whose name says nothing, and whose lines are none of
// an access log.
const otherFormat = "files in another format"

// Foreign is what was found beside access logs, of one kind.
type Foreign struct {
	What  string // such as connection logs
	Files int64
	First string // the path of the first
}

// String says it without the number, which grows.
func (f Foreign) String() string {
	return fmt.Sprintf("%s (the first: %s)", f.What, filepath.Base(f.First))
}

// beside notes a file that is no access log.
func (r *Report) beside(what, path string) {
	for i := range r.Foreign {
		if r.Foreign[i].What == what {
			r.Foreign[i].Files++
			return
		}
	}
	r.Foreign = append(r.Foreign, Foreign{What: what, Files: 1, First: path})
}

// sample looks at the beginning of a file to see whether it is an access log.
type sample struct {
	lines                splitter
	readable, unreadable int
	left                 int // bytes that it still looks at
}

func newSample() *sample { return &sample{left: pieceSize} }

// see takes the next piece of the file.
func (s *sample) see(piece []byte) {
	if s.left > 0 && s.readable == 0 {
		s.left -= len(piece)
		s.lines.feed(piece, s.line)
	}
}

// end says that nothing more comes.
func (s *sample) end() {
	if s.left > 0 && s.readable == 0 {
		s.lines.end(s.line)
	}
}

func (s *sample) line(text []byte) {
	if len(text) == 0 {
		return
	}
	if _, err := parseLine(text); err != nil {
		s.unreadable++
	} else {
		s.readable++
	}
}

// isOther reports whether there were lines and none was an entry. Of a file that has
// only the beginning of one line it cannot be said.
func (s *sample) isOther() bool { return s.readable == 0 && s.unreadable > 0 }
