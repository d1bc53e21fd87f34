package plan

import (
	"regexp"
	"strconv"
	"strings"
)

// matcher is one condition of a selector, as PromQL or Datadog write them.
type matcher struct {
	label   string // in lower case, with underscores alone
	values  []*regexp.Regexp
	negated bool
}

// takes reports whether a value of the label is selected.
func (m matcher) takes(value string) bool {
	for _, v := range m.values {
		if v.MatchString(value) {
			return !m.negated
		}
	}
	return m.negated
}

// quoted is a string of PromQL.
const quoted = `"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|` + "`[^`]*`"

// condition is one matcher: code=~"5..", "http.code"="503", !http.status_code:5*,
// http.status_code NOT IN (200,201); or a quoted name of a metric.
var condition = regexp.MustCompile(`(?i)(?:(!|-|\bnot\s+)?(` + quoted + `|[a-z_@][\w./-]*)(?:\s*(=~|!~|!=|=|:)\s*(` + quoted + `|[^\s,(){}"'` + "`" + `]+)|\s+(not\s+)?in\s*\(([^)]*)\)))|` + quoted)

// matchersOf returns what a selector asks for: the names of its metrics, and its
// conditions. What cannot be read is left out.
func matchersOf(selector string) (metric string, all []matcher) {
	metric, inner, _ := strings.Cut(selector, "{")
	for _, c := range condition.FindAllStringSubmatch(inner, -1) {
		name, operator, value, list := plain(c[2]), c[3], plain(c[4]), c[6]
		switch {
		case name == "":
			metric += " " + plain(c[0])
		case name == "__name__":
			metric += " " + value
		case list != "":
			all = append(all, matcher{label: labelName(name), values: globs(strings.Split(list, ",")), negated: c[1] != "" || c[5] != ""})
		case operator == ":":
			all = orElse(all, matcher{label: labelName(name), values: globs([]string{value}), negated: c[1] != ""})
		default:
			if !strings.HasSuffix(operator, "~") {
				value = regexp.QuoteMeta(value)
			}
			if whole, err := regexp.Compile("^(?s:" + value + ")$"); err == nil {
				all = append(all, matcher{label: labelName(name), values: []*regexp.Regexp{whole}, negated: operator[0] == '!'})
			}
		}
	}
	return metric, all
}

// orElse adds a condition of Datadog. Two values of one tag are alternatives: no request
// has both.
func orElse(all []matcher, m matcher) []matcher {
	for i, of := range all {
		if of.label == m.label && !of.negated && !m.negated {
			all[i].values = append(of.values, m.values...)
			return all
		}
	}
	return append(all, m)
}

// globs are values with a * for anything.
func globs(values []string) (out []*regexp.Regexp) {
	for _, v := range values {
		v = strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(plain(strings.TrimSpace(v)))), `\*`, ".*")
		out = append(out, regexp.MustCompile("(?i)^(?s:"+v+")$"))
	}
	return out
}

// plain is a text without its quotes.
func plain(text string) string {
	if len(text) < 2 || !strings.ContainsRune("\"'`", rune(text[0])) {
		return text
	}
	inside := text[1 : len(text)-1]
	if text[0] == '\'' {
		text = `"` + strings.ReplaceAll(strings.ReplaceAll(inside, `\'`, `'`), `"`, `\"`) + `"`
	}
	if read, err := strconv.Unquote(text); err == nil {
		return read
	}
	return inside
}

// labelName writes http.statusCode, @http.status_code and http_status_code alike.
func labelName(name string) string {
	return strings.ToLower(strings.Trim(apart.Replace(name), "_"))
}

var apart = strings.NewReplacer(".", "_", "-", "_", "@", "", "/", "_")
