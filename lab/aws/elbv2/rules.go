package elbv2

import (
	"slices"
	"strconv"

	"watari.dev/lab/aws/wire"
)

// Limits of rules (API reference, CreateRule; "Quotas for your Application
// Load Balancers": 100 rules per load balancer, default rules not counted).
const (
	maxPriority = 50000
	maxRules    = 100
)

type rulesResult struct {
	Rules      []ruleXML `xml:"Rules>member"`
	NextMarker string    `xml:",omitempty"`
}

type ruleXML struct {
	RuleArn    string
	Priority   string
	IsDefault  bool
	Conditions []condition  `xml:"Conditions>member"`
	Actions    []ruleAction `xml:"Actions>member"`
}

func (m model) renderRule(r rule) ruleXML {
	x := ruleXML{RuleArn: r.ARN, Priority: "default", IsDefault: r.isDefault(), Conditions: r.Conditions, Actions: m.actionsOf(r)}
	if !x.IsDefault {
		x.Priority = strconv.Itoa(r.Priority)
	}
	return x
}

type createRuleInput struct {
	ListenerArn string
	Priority    *int
	Conditions  []condition
	Actions     []ruleAction
	Tags        []tag
}

func (s *Service) createRule(in createRuleInput) (rulesResult, *wire.Error) {
	if in.Priority == nil {
		return rulesResult{}, wire.Errorf("ValidationError", "A priority must be specified")
	}
	if err := checkPriority(*in.Priority); err != nil {
		return rulesResult{}, err
	}
	conditions, err := decideConditions(in.Conditions)
	if err != nil {
		return rulesResult{}, err
	}
	actions, err := decideActions(in.Actions)
	if err != nil {
		return rulesResult{}, err
	}
	var made ruleXML
	err = s.update(func(m *model) *wire.Error {
		l, ok := m.Listeners[in.ListenerArn]
		if !ok {
			return listenerNotFound()
		}
		if slices.ContainsFunc(m.rulesOf(l.ARN), func(r rule) bool { return r.Priority == *in.Priority }) {
			return wire.Errorf("PriorityInUse", "Priority '%d' is currently in use", *in.Priority)
		}
		r := s.newRule(m, rule{Listener: l.ARN, Priority: *in.Priority, Conditions: conditions, Actions: actions})
		if m.countRules(l.LoadBalancer) > maxRules {
			return wire.Errorf("TooManyRules", "Load balancer '%s' already has %d rules", l.LoadBalancer, maxRules)
		}
		made = m.renderRule(r)
		if err := m.checkGroups(actions, l.LoadBalancer); err != nil {
			return err
		}
		return m.setTags(r.ARN, in.Tags)
	})
	if err != nil {
		return rulesResult{}, err
	}
	return rulesResult{Rules: []ruleXML{made}}, nil
}

func checkPriority(priority int) *wire.Error {
	if priority < 1 || priority > maxPriority {
		return wire.Errorf("ValidationError", "The priority must be between 1 and %d", maxPriority)
	}
	return nil
}

func (m model) countRules(loadBalancerARN string) int {
	n := 0
	for _, r := range m.Rules {
		if !r.isDefault() && m.Listeners[r.Listener].LoadBalancer == loadBalancerARN {
			n++
		}
	}
	return n
}

type describeRulesInput struct {
	ListenerArn string
	RuleArns    []string
	paging
}

func (s *Service) describeRules(in describeRulesInput) (rulesResult, *wire.Error) {
	m := s.current()
	if (in.ListenerArn == "") == (len(in.RuleArns) == 0) {
		return rulesResult{}, wire.Errorf("ValidationError", "You must specify either rule ARNs or a listener ARN")
	}
	var found []rule
	for _, arn := range in.RuleArns {
		r, ok := m.Rules[arn]
		if !ok {
			return rulesResult{}, ruleNotFound()
		}
		found = append(found, r)
	}
	if in.ListenerArn != "" {
		if _, ok := m.Listeners[in.ListenerArn]; !ok {
			return rulesResult{}, listenerNotFound()
		}
		found = m.rulesOf(in.ListenerArn)
	}
	cut, next, err := page(found, in.paging)
	result := rulesResult{NextMarker: next}
	for _, r := range cut {
		result.Rules = append(result.Rules, m.renderRule(r))
	}
	return result, err
}

type modifyRuleInput struct {
	RuleArn    string
	Conditions []condition
	Actions    []ruleAction
}

// modifyRule replaces the whole list of actions or conditions that is given
// and keeps the other one (API reference, ModifyRule).
func (s *Service) modifyRule(in modifyRuleInput) (rulesResult, *wire.Error) {
	var made ruleXML
	err := s.update(func(m *model) *wire.Error {
		r, ok := m.Rules[in.RuleArn]
		if !ok {
			return ruleNotFound()
		}
		if r.isDefault() {
			return wire.Errorf("OperationNotPermitted", "Default rule '%s' cannot be modified", r.ARN)
		}
		if len(in.Conditions) > 0 {
			conditions, err := decideConditions(in.Conditions)
			if err != nil {
				return err
			}
			r.Conditions = conditions
		}
		if len(in.Actions) > 0 {
			actions, err := decideActions(in.Actions)
			if err != nil {
				return err
			}
			r.Actions = actions
		}
		m.Rules[r.ARN] = r
		made = m.renderRule(r)
		return m.checkGroups(r.Actions, m.Listeners[r.Listener].LoadBalancer)
	})
	if err != nil {
		return rulesResult{}, err
	}
	return rulesResult{Rules: []ruleXML{made}}, nil
}

type deleteRuleInput struct{ RuleArn string }

func (s *Service) deleteRule(in deleteRuleInput) (nothing, *wire.Error) {
	return nothing{}, s.update(func(m *model) *wire.Error {
		r, ok := m.Rules[in.RuleArn]
		if !ok {
			return ruleNotFound()
		}
		if r.isDefault() {
			return wire.Errorf("OperationNotPermitted", "Default rule '%s' cannot be deleted", r.ARN)
		}
		delete(m.Rules, r.ARN)
		delete(m.Tags, r.ARN)
		return nil
	})
}

type setRulePrioritiesInput struct {
	RulePriorities []struct {
		RuleArn  string
		Priority *int
	}
}

func (s *Service) setRulePriorities(in setRulePrioritiesInput) (rulesResult, *wire.Error) {
	if len(in.RulePriorities) == 0 {
		return rulesResult{}, wire.Errorf("ValidationError", "A rule and priority must be specified")
	}
	var result rulesResult
	err := s.update(func(m *model) *wire.Error {
		for _, p := range in.RulePriorities {
			if err := m.setPriority(p.RuleArn, p.Priority); err != nil {
				return err
			}
		}
		for _, p := range in.RulePriorities {
			r := m.Rules[p.RuleArn]
			for _, other := range m.rulesOf(r.Listener) {
				if other.ARN != r.ARN && other.Priority == r.Priority {
					return wire.Errorf("PriorityInUse", "Priority '%d' is currently in use", r.Priority)
				}
			}
			result.Rules = append(result.Rules, m.renderRule(r))
		}
		return nil
	})
	if err != nil {
		return rulesResult{}, err
	}
	return result, nil
}

func (m *model) setPriority(arn string, priority *int) *wire.Error {
	r, ok := m.Rules[arn]
	switch {
	case !ok:
		return ruleNotFound()
	case r.isDefault():
		return wire.Errorf("OperationNotPermitted", "Default rule '%s' has no priority to set", arn)
	case priority == nil:
		return wire.Errorf("ValidationError", "A priority must be specified")
	}
	if err := checkPriority(*priority); err != nil {
		return err
	}
	r.Priority = *priority
	m.Rules[arn] = r
	return nil
}

func ruleNotFound() *wire.Error { return wire.Errorf("RuleNotFound", "One or more rules not found") }
