package awsconfig

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
)

// kind is one of the ways to find credentials.
type kind int

const (
	byNothing kind = iota // is written: what is left is the machine's own role
	byKeys
	byMachine
	byWebIdentity
	byContainer
	bySSO
	byLogin
	byProcess
	byRole
)

// way is how credentials are searched for: which of the SDK's ways applies, and who
// says so.
type way struct {
	kind    kind
	profile string // that says so; empty for the environment
	text    string // such as: use the access key of profile shop
	by      string // the same as a noun: the access key of profile shop
	absent  bool   // there is no access key where it should be
	file    string // of a token
	at      string // the address that is asked
	role    string
	roles   []string // that are assumed afterwards by the profile's role_arn, the first one first
}

// wayOf decides as the SDK's chain does (package config of the SDK, resolveCredentialChain).
func wayOf(s Settings, env config.EnvConfig, shared config.SharedConfig) way {
	switch {
	case s.Profile == "" && env.Credentials.HasKeys():
		return way{kind: byKeys, by: "the access key of the environment (AWS_ACCESS_KEY_ID)"}.used()
	case s.Profile == "" && env.WebIdentityTokenFilePath != "":
		return webIdentity("", env.WebIdentityTokenFilePath, env.RoleARN)
	default:
		return wayOfProfile(env, shared)
	}
}

// wholeWay is the way with the roles that are assumed at its end.
func (s Settings) wholeWay(sources []any) way {
	env, shared := sourcesOf(sources)
	w := wayOf(s, env, shared)
	switch {
	case s.RoleARN != "":
		return roleBy(s.RoleARN, w)
	case len(w.roles) > 0:
		return roleOfProfile(w)
	default:
		return w
	}
}

func wayOfProfile(env config.EnvConfig, p config.SharedConfig) (w way) {
	name := cmp.Or(p.Profile, config.DefaultSharedConfigProfile)
	defer func() {
		if p.RoleARN != "" && (p.Source != nil || w.kind != byWebIdentity) {
			w.roles = append(w.roles, fmt.Sprintf("%s of profile %s", p.RoleARN, name))
		}
	}()
	switch {
	case p.Source != nil:
		return wayOfProfile(env, *p.Source)
	case p.Credentials.HasKeys():
		return way{kind: byKeys, profile: name, by: "the access key of profile " + name}.used()
	case p.CredentialSource != "":
		return wayOfSource(env, p.CredentialSource, name)
	case p.WebIdentityTokenFile != "":
		return webIdentity(name, p.WebIdentityTokenFile, p.RoleARN)
	case p.SSOSession != nil || p.SSOStartURL != "" || p.SSOAccountID != "" || p.SSORoleName != "":
		return singleSignOn(name, p)
	case p.LoginSession != "":
		return way{kind: byLogin, profile: name, by: "the sign-in of profile " + name}.used()
	case p.CredentialProcess != "":
		by := fmt.Sprintf("the credential_process of profile %s (%s)", name, program(p.CredentialProcess))
		return way{kind: byProcess, profile: name, by: by, text: "run " + by}
	case env.ContainerCredentialsRelativePath != "", env.ContainerCredentialsEndpoint != "":
		return container(env)
	default:
		return machine(byNothing, name, "")
	}
}

// program is the name of what a command line runs. The rest of it may be secret.
func program(command string) string {
	rest := command
	for rest != "" {
		var word string
		word, rest = cutWord(rest)
		switch {
		case strings.Contains(word, "="): // which sets a variable
		case word == "env", strings.HasSuffix(word, "/env"), word == "exec", strings.HasPrefix(word, "-"), word == "":
		default:
			return word
		}
	}
	return ""
}

// cutWord returns the first word of a command line as a shell reads it, without its
// quotes, and what is behind it.
func cutWord(line string) (word, rest string) {
	line = strings.TrimLeft(line, " \t\n")
	var text strings.Builder
	var within rune
	escaped := false
	for i, r := range line {
		switch {
		case escaped:
			text.WriteRune(r)
			escaped = false
		case r == '\\' && within != '\'' && runtime.GOOS != "windows":
			escaped = true
		case r == within:
			within = 0
		case within == 0 && (r == '"' || r == '\''):
			within = r
		case within == 0 && (r == ' ' || r == '\t' || r == '\n'):
			return text.String(), line[i:]
		default:
			text.WriteRune(r)
		}
	}
	return text.String(), ""
}

func wayOfSource(env config.EnvConfig, source, profile string) way {
	as := fmt.Sprintf(", as credential_source of profile %s says", profile)
	switch source {
	case "Environment":
		return way{kind: byKeys, profile: profile, absent: !env.Credentials.HasKeys(), by: "the access key of the environment" + as}.used()
	case "EcsContainer":
		return container(env)
	default:
		return machine(byMachine, profile, as)
	}
}

func machine(k kind, profile, as string) way {
	return way{kind: k, profile: profile, by: "this machine's role", text: "ask this machine for its role" + as}
}

func webIdentity(profile, file, role string) way {
	return way{kind: byWebIdentity, profile: profile, file: file, role: role,
		by: "the token in " + file, text: fmt.Sprintf("assume role %s with the token in %s", role, file)}
}

func singleSignOn(name string, p config.SharedConfig) way {
	from := p.SSOStartURL
	if p.SSOSession != nil {
		from = "session " + p.SSOSession.Name
	}
	role := fmt.Sprintf("%s of account %s", p.SSORoleName, p.SSOAccountID)
	return way{kind: bySSO, profile: name, role: role, by: fmt.Sprintf("the single sign-on of profile %s (%s, role %s)", name, from, role)}.used()
}

func container(env config.EnvConfig) way {
	w := way{kind: byContainer, at: env.ContainerCredentialsEndpoint, by: "the role of this pod or task", file: os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")}
	if env.ContainerCredentialsRelativePath != "" { // which goes first
		w.at = "http://169.254.170.2" + env.ContainerCredentialsRelativePath
	}
	at := w.at
	if u, err := url.Parse(at); err == nil {
		at = u.Redacted()
	}
	w.text = "ask " + at + " for " + w.by
	return w
}

// roleBy is the way to a role that is written in the migration.
func roleBy(role string, by way) way {
	return way{kind: byRole, role: role, text: fmt.Sprintf("assume role %s with %s", role, by.by)}
}

// roleOfProfile is the way to the roles that the profiles name.
func roleOfProfile(by way) way {
	role := strings.Join(by.roles, ", then ")
	return way{kind: byRole, role: role, text: fmt.Sprintf("assume role %s with %s", role, by.by)}
}

func (w way) used() way {
	w.text = "use " + w.by
	return w
}
