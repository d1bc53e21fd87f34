package kubernetes

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/tools/clientcmd/api"

	"watari.dev/environment"
	"watari.dev/environment/kubernetes/plugin"
)

// notSignedIn says why the kubeconfig's plugin gave no credentials, and what to do.
func (c *Cluster) notSignedIn(err error) error {
	e := &environment.Error{Op: "kubernetes: get the credentials", On: c.name, Kind: environment.ErrSignedOut, Cause: err}
	var p *plugin.Error
	if !errors.As(err, &p) {
		return e
	}
	try := "try it in a terminal: " + c.user.kubectl + " get --raw /version"
	switch p.Reason {
	case plugin.Misconfigured:
		e.Kind, e.Advice = environment.ErrNotFound, "get a new kubeconfig (EKS: aws eks update-kubeconfig)"
	case plugin.Missing:
		e.Kind, e.Advice = environment.ErrNotFound, "install it, or put it into PATH"
		if p.Hint != "" {
			e.Advice += "; the kubeconfig says how: " + strings.Join(strings.Fields(p.Hint), " ")
		}
	case plugin.Silent:
		e.Kind = environment.ErrUnreachable
		e.Cause = ctxError{why: err.Error() + " (" + c.patience.String() + " at most)", err: err}
		e.Advice = "it may wait for somebody to sign in, and watari gives it no terminal: " + c.firstSignIn(try)
	case plugin.Terminal:
		e.Kind, e.Advice = environment.ErrDenied, "use a plugin that keeps what it was told, or a kubeconfig with a token"
	case plugin.Unusable:
		e.Kind, e.Advice = environment.ErrUnreachable, try
	default:
		e.Advice = c.firstSignIn(try)
	}
	return e
}

// firstSignIn leads to the command that signs in, or else to what shows how.
func (c *Cluster) firstSignIn(try string) string {
	if c.user.signIn != "" {
		return "sign in again: " + c.user.signIn
	}
	return try
}

// signIns are the commands by which people sign in for plugins that they know, by the
// name of the plugin's command.
var signIns = map[string]string{
	"aws":                    "aws sso login",
	"aws-iam-authenticator":  "aws sso login",
	"gke-gcloud-auth-plugin": "gcloud auth login",
	"kubelogin":              "az login",
	"doctl":                  "doctl auth init",
	"oci":                    "oci session authenticate",
	"tsh":                    "tsh login",
}

// signIn returns the command that signs in for a plugin, with the AWS profile that the
// plugin uses; empty if it is not known.
func signIn(p *api.ExecConfig) string {
	command := signIns[strings.TrimSuffix(filepath.Base(p.Command), ".exe")]
	switch {
	case strings.HasPrefix(command, "aws "):
		if profile := profileOf(p); profile != "" {
			command += " --profile " + profile
		}
		return command + ", or however this profile signs in"
	case slices.ContainsFunc(p.Args, func(arg string) bool { return strings.HasPrefix(arg, "--oidc-") }): // the other one of that name
		return ""
	default:
		return command
	}
}

// profileOf returns the AWS profile that a plugin is told to use.
func profileOf(p *api.ExecConfig) string {
	for i, arg := range p.Args {
		if name, is := strings.CutPrefix(arg, "--profile="); is {
			return name
		}
		if arg == "--profile" && i+1 < len(p.Args) {
			return p.Args[i+1]
		}
	}
	for _, e := range p.Env {
		if e.Name == "AWS_PROFILE" {
			return e.Value
		}
	}
	return ""
}
