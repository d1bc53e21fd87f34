package route53

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"watari.dev/router"
	"watari.dev/traffic"
)

// longTTL is what AWS recommends as the most for records whose answers are to
// change (Route 53 Developer Guide, "Values specific for weighted records").
const longTTL = aliasTTL

// warnings says what of the records an operator should know, each thing once
// for all names that it is true of.
func warnings(groups []group, route router.Ref) (out []string) {
	for _, w := range []struct {
		is   func(group, router.Ref) bool
		text string
	}{
		{func(g group, _ router.Ref) bool { return g.simple() },
			"%s: the simple record becomes weighted ones with the first write above 0 %%"},
		{allZero,
			"%s: all weights are zero, which Route 53 takes as an equal split"},
		{evaluated,
			"%s: the health of a record is evaluated; while those with a weight are unhealthy, Route 53 answers with those of weight zero too"},
		{lasting,
			"%s: the TTL is above 60 s; so long do clients keep the answer before"},
		{uneven,
			"%s: the TTLs of both sides differ; Route 53 uses the one that was written last"},
	} {
		var names []string
		for _, g := range groups {
			if w.is(g, route) {
				names = append(names, g.name)
			}
		}
		if len(names) > 0 {
			out = append(out, fmt.Sprintf(w.text, fewOf(names)))
		}
	}
	return out
}

func allZero(g group, route router.Ref) bool {
	have, others := g.split(route)
	return have.Sum()+others == 0
}

// evaluated: a record of weight zero is served if every other one is unhealthy
// (Route 53 Developer Guide, "How Amazon Route 53 chooses records when health
// checking is configured").
func evaluated(g group, route router.Ref) bool {
	return anyOf(g, route, func(s types.ResourceRecordSet) bool {
		return s.SetIdentifier != nil && (s.HealthCheckId != nil || s.AliasTarget != nil && s.AliasTarget.EvaluateTargetHealth)
	})
}

func lasting(g group, route router.Ref) bool {
	return anyOf(g, route, func(s types.ResourceRecordSet) bool { return ttlOf(s) > longTTL })
}

func uneven(g group, route router.Ref) bool {
	source, target := g.find(route.Source), g.find(route.Target)
	return source != nil && target != nil && source.TTL != nil && target.TTL != nil && *source.TTL != *target.TTL
}

func anyOf(g group, route router.Ref, is func(types.ResourceRecordSet) bool) bool {
	for _, s := range g.sets {
		if g.sideOf(s, route) != traffic.NoSide && is(s) {
			return true
		}
	}
	return false
}

// fewOf names at most three and counts the rest.
func fewOf(names []string) string {
	var few []string
	for _, n := range names[:min(3, len(names))] {
		few = append(few, shown(n))
	}
	text := strings.Join(few, ", ")
	if more := len(names) - len(few); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
