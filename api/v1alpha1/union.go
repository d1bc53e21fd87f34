package v1alpha1

import (
	"reflect"
	"slices"
)

// union is a type of which exactly one member is written.
type union struct {
	now   []string // members of this version, by their names in JSON; each is a pointer field
	later []string // words for what other versions may bring, to be told apart from mistyped ones
}

// unions lists all unions: a new member is its field and its word here.
var unions = map[reflect.Type]union{
	reflect.TypeFor[EnvironmentSpec](): {
		now:   []string{"kubernetes"},
		later: []string{"eks", "ecs", "beanstalk", "autoScaling"},
	},
	reflect.TypeFor[Route](): {
		now:   []string{"alb", "route53"},
		later: []string{"nlb", "fastly", "gatewayAPI", "haproxy", "lattice", "cloudMap"},
	},
	reflect.TypeFor[Signal](): {
		now: []string{"scrape", "prometheus", "cloudWatch", "accessLog", "datadog"},
	},
}

// words are the values of the types that are one of a few words.
var words = map[reflect.Type][]string{
	reflect.TypeFor[Approval]():            {string(ApprovalRequired)},
	reflect.TypeFor[DriftReaction]():       {string(DriftHold), string(DriftReassert)},
	reflect.TypeFor[RollbackMode]():        {string(RollbackAutomatic), string(RollbackManual)},
	reflect.TypeFor[Reaction]():            {string(ReactionHold), string(ReactionRollback)},
	reflect.TypeFor[SampleRatioReaction](): {string(ReactionHold), string(ReactionRollback), string(SampleRatioIgnore)},
	reflect.TypeFor[LatencyReaction]():     {string(ReactionHold), string(ReactionRollback), string(LatencyIgnore)},
	reflect.TypeFor[AnalysisForm]():        {"hybrid", "unit", "product", "steady", "limit"},
	reflect.TypeFor[Ramp]():                {string(RampFixed), string(RampAdaptive)},
	reflect.TypeFor[EvidenceMode]():        {string(EvidenceRequired), string(EvidenceOptional)},
	reflect.TypeFor[Attempts]():            {string(AttemptsFirst), string(AttemptsAll)},
	reflect.TypeFor[RecordType]():          {string(RecordA), string(RecordAAAA), string(RecordCNAME)},
}

func (u union) isLater(word string) bool { return slices.Contains(u.later, word) }

// members returns which members of a union's value are written.
func members(value any) (written []string, of union) {
	v := reflect.ValueOf(value)
	of = unions[v.Type()]
	fields := fieldsOf(v)
	for _, name := range of.now {
		if !fields[name].IsNil() {
			written = append(written, name)
		}
	}
	return written, of
}
