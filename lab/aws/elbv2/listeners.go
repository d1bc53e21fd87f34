package elbv2

import (
	"fmt"
	"slices"
	"strings"

	"watari.dev/lab/aws/wire"
)

// maxListeners per load balancer ("Quotas for your Application Load Balancers").
const maxListeners = 50

type createListenerInput struct {
	LoadBalancerArn string
	Port            *int
	Protocol        string
	DefaultActions  []ruleAction
	Tags            []tag
}

type listenersResult struct {
	Listeners  []listenerXML `xml:"Listeners>member"`
	NextMarker string        `xml:",omitempty"`
}

type listenerXML struct {
	ListenerArn     string
	LoadBalancerArn string
	Port            int
	Protocol        string
	DefaultActions  []ruleAction `xml:"DefaultActions>member"`
}

func (s *Service) createListener(in createListenerInput) (listenersResult, *wire.Error) {
	if in.Protocol != "HTTP" {
		return listenersResult{}, wire.Errorf("UnsupportedProtocol", "Listener protocol '%s' is not served by this emulator; it serves HTTP", in.Protocol)
	}
	if in.Port == nil || *in.Port < 1 || *in.Port > 65535 {
		return listenersResult{}, wire.Errorf("ValidationError", "A listener port between 1 and 65535 must be specified")
	}
	actions, err := decideActions(in.DefaultActions)
	if err != nil {
		return listenersResult{}, err
	}
	var made listener
	err = s.update(func(m *model) (err *wire.Error) {
		lb, ok := m.LoadBalancers[in.LoadBalancerArn]
		if !ok {
			return loadBalancerNotFound(in.LoadBalancerArn)
		}
		if err := m.checkListener(lb, *in.Port); err != nil {
			return err
		}
		made, err = s.newListener(m, lb, *in.Port, actions)
		if err != nil {
			return err
		}
		if err := m.checkGroups(actions, lb.ARN); err != nil {
			return err
		}
		return m.setTags(made.ARN, in.Tags)
	})
	if err != nil {
		return listenersResult{}, err
	}
	return listenersResult{Listeners: []listenerXML{renderListener(made)}}, nil
}

func (m model) checkListener(lb loadBalancer, port int) *wire.Error {
	listeners := m.listenersOf(lb.ARN)
	if slices.ContainsFunc(listeners, func(l listener) bool { return l.Port == port }) {
		return wire.Errorf("DuplicateListener", "A listener already exists on this port for this load balancer '%s'", lb.ARN)
	}
	if len(listeners) >= maxListeners {
		return wire.Errorf("TooManyListeners", "Load balancer '%s' already has %d listeners", lb.ARN, maxListeners)
	}
	return nil
}

// newListener adds the listener and its default rule to the model.
func (s *Service) newListener(m *model, lb loadBalancer, port int, actions []ruleAction) (listener, *wire.Error) {
	var taken []int
	for _, l := range m.listenersOf(lb.ARN) {
		taken = append(taken, l.LocalPort)
	}
	local := s.opts.FreePort(lb.Addresses, port, taken)
	if local == 0 {
		return listener{}, wire.InternalFailure(fmt.Errorf("find a port for the listener on %v: none is free", lb.Addresses))
	}
	number := m.number()
	path := strings.Replace(lb.ARN, ":loadbalancer/", ":listener/", 1) + "/" + s.hexID(number)
	l := listener{ARN: path, Number: number, LoadBalancer: lb.ARN, Port: port, LocalPort: local, Actions: actions}
	m.Listeners[l.ARN] = l
	s.newRule(m, rule{Listener: l.ARN})
	return l, nil
}

// newRule adds a rule to the model under a new ARN.
func (s *Service) newRule(m *model, r rule) rule {
	r.Number = m.number()
	r.ARN = strings.Replace(r.Listener, ":listener/", ":listener-rule/", 1) + "/" + s.hexID(r.Number)
	m.Rules[r.ARN] = r
	return r
}

func renderListener(l listener) listenerXML {
	return listenerXML{ListenerArn: l.ARN, LoadBalancerArn: l.LoadBalancer, Port: l.Port, Protocol: "HTTP", DefaultActions: l.Actions}
}

type describeListenersInput struct {
	LoadBalancerArn string
	ListenerArns    []string
	paging
}

func (s *Service) describeListeners(in describeListenersInput) (listenersResult, *wire.Error) {
	m := s.current()
	if (in.LoadBalancerArn == "") == (len(in.ListenerArns) == 0) {
		return listenersResult{}, wire.Errorf("ValidationError", "You must specify either listener ARNs or a load balancer ARN")
	}
	var found []listener
	for _, arn := range in.ListenerArns {
		l, ok := m.Listeners[arn]
		if !ok {
			return listenersResult{}, listenerNotFound()
		}
		found = append(found, l)
	}
	if in.LoadBalancerArn != "" {
		if _, ok := m.LoadBalancers[in.LoadBalancerArn]; !ok {
			return listenersResult{}, loadBalancerNotFound(in.LoadBalancerArn)
		}
		found = m.listenersOf(in.LoadBalancerArn)
	}
	cut, next, err := page(found, in.paging)
	result := listenersResult{NextMarker: next}
	for _, l := range cut {
		result.Listeners = append(result.Listeners, renderListener(l))
	}
	return result, err
}

type modifyListenerInput struct {
	ListenerArn    string
	Port           *int
	Protocol       string
	DefaultActions []ruleAction
}

// modifyListener replaces the whole list of default actions. What is not given
// stays (API reference, ModifyListener).
func (s *Service) modifyListener(in modifyListenerInput) (listenersResult, *wire.Error) {
	if in.Protocol != "" && in.Protocol != "HTTP" {
		return listenersResult{}, wire.Errorf("UnsupportedProtocol", "Listener protocol '%s' is not served by this emulator; it serves HTTP", in.Protocol)
	}
	var made listener
	err := s.update(func(m *model) *wire.Error {
		l, ok := m.Listeners[in.ListenerArn]
		if !ok {
			return listenerNotFound()
		}
		if in.Port != nil && *in.Port != l.Port {
			return wire.Errorf("ValidationError", "This emulator cannot move a listener to another port; delete it and create another one")
		}
		if len(in.DefaultActions) > 0 {
			actions, err := decideActions(in.DefaultActions)
			if err != nil {
				return err
			}
			l.Actions = actions
		}
		m.Listeners[l.ARN] = l
		made = l
		return m.checkGroups(l.Actions, l.LoadBalancer)
	})
	if err != nil {
		return listenersResult{}, err
	}
	return listenersResult{Listeners: []listenerXML{renderListener(made)}}, nil
}

type deleteListenerInput struct{ ListenerArn string }

func (s *Service) deleteListener(in deleteListenerInput) (nothing, *wire.Error) {
	return nothing{}, s.update(func(m *model) *wire.Error {
		if _, ok := m.Listeners[in.ListenerArn]; !ok {
			return listenerNotFound()
		}
		m.removeListener(in.ListenerArn)
		return nil
	})
}

func (m *model) removeListener(arn string) {
	for _, r := range m.rulesOf(arn) {
		delete(m.Rules, r.ARN)
		delete(m.Tags, r.ARN)
	}
	delete(m.Listeners, arn)
	delete(m.Tags, arn)
}

func listenerNotFound() *wire.Error {
	return wire.Errorf("ListenerNotFound", "One or more listeners not found")
}
