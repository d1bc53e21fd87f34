package route53

import (
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"watari.dev/router"
	"watari.dev/router/internal/awscall"
)

// perRecord reports whether AWS has refused a batch for what is in it, so that a
// part of it may be accepted: nothing of a batch is carried out then (Route 53 API
// Reference, ChangeResourceRecordSets). A policy may allow some names only (Service
// Authorization Reference, route53:ChangeResourceRecordSetsNormalizedRecordNames).
func perRecord(err error) bool {
	effect, kind := awscall.Classify(err)
	return effect == router.EffectNothing && router.Standing(kind) && awscall.CodeOf(err) != "NoSuchHostedZone"
}

// said is all that AWS said when it refused a batch.
func said(err error) string {
	var refused *types.InvalidChangeBatch
	if errors.As(err, &refused) && len(refused.Messages) > 0 {
		return strings.Join(refused.Messages, "\n") + "\n" + err.Error()
	}
	return err.Error()
}

// accused tells the names that a refusal speaks of from the others: by their names,
// by the health check that it names, or by having a health check where it names
// none. It is a hint that the next calls verify.
func accused(batch []nameChange, err error) (named, others []nameChange) {
	text := said(err)
	speaks := func(n nameChange) bool {
		return mentions(text, canonical(n.name)) || slices.ContainsFunc(n.checks(), func(id string) bool { return strings.Contains(text, id) })
	}
	if isNoCheck(err) && !slices.ContainsFunc(batch, speaks) {
		speaks = func(n nameChange) bool { return len(n.checks()) > 0 }
	}
	for _, n := range batch {
		if speaks(n) {
			named = append(named, n)
		} else {
			others = append(others, n)
		}
	}
	return named, others
}

// convicted reports whether every name of a batch has the very health check that
// does not exist: more calls would say nothing else.
func convicted(batch []nameChange, err error) bool {
	text := said(err)
	return isNoCheck(err) && !slices.ContainsFunc(batch, func(n nameChange) bool {
		return !slices.ContainsFunc(n.checks(), func(id string) bool { return strings.Contains(text, id) })
	})
}

func isNoCheck(err error) bool { return awscall.CodeOf(err) == "NoSuchHealthCheck" }

// mentions reports whether text has name as a whole, and not as the end of a longer
// one.
func mentions(text, name string) bool {
	for rest := strings.ToLower(text); ; {
		at := strings.Index(rest, name)
		if at < 0 {
			return false
		}
		if at == 0 || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_.", rune(rest[at-1])) {
			return true
		}
		rest = rest[at+len(name):]
	}
}
