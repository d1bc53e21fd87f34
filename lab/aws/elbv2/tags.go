package elbv2

import (
	"slices"
	"strings"

	"watari.dev/lab/aws/wire"
)

// maxTags per resource and maxTagged resources per request (API reference,
// AddTags and DescribeTags).
const (
	maxTags   = 50
	maxTagged = 20
)

type addTagsInput struct {
	ResourceArns []string
	Tags         []tag
}

func (s *Service) addTags(in addTagsInput) (nothing, *wire.Error) {
	if len(in.Tags) == 0 {
		return nothing{}, wire.Errorf("ValidationError", "A tag must be specified")
	}
	return nothing{}, s.changeTags(in.ResourceArns, func(m *model, arn string) *wire.Error { return m.setTags(arn, in.Tags) })
}

type removeTagsInput struct {
	ResourceArns []string
	TagKeys      []string
}

func (s *Service) removeTags(in removeTagsInput) (nothing, *wire.Error) {
	return nothing{}, s.changeTags(in.ResourceArns, func(m *model, arn string) *wire.Error {
		m.Tags[arn] = slices.DeleteFunc(slices.Clone(m.Tags[arn]), func(t tag) bool { return slices.Contains(in.TagKeys, t.Key) })
		return nil
	})
}

func (s *Service) changeTags(arns []string, change func(*model, string) *wire.Error) *wire.Error {
	return s.update(func(m *model) *wire.Error {
		if err := m.checkTagged(arns); err != nil {
			return err
		}
		for _, arn := range arns {
			if err := change(m, arn); err != nil {
				return err
			}
		}
		return nil
	})
}

type describeTagsInput struct{ ResourceArns []string }

type tagsResult struct {
	TagDescriptions []tagDescriptionXML `xml:"TagDescriptions>member"`
}

type tagDescriptionXML struct {
	ResourceArn string
	Tags        []tag `xml:"Tags>member"`
}

func (s *Service) describeTags(in describeTagsInput) (tagsResult, *wire.Error) {
	m := s.current()
	if err := m.checkTagged(in.ResourceArns); err != nil {
		return tagsResult{}, err
	}
	var result tagsResult
	for _, arn := range in.ResourceArns {
		result.TagDescriptions = append(result.TagDescriptions, tagDescriptionXML{ResourceArn: arn, Tags: m.Tags[arn]})
	}
	return result, nil
}

func (m model) checkTagged(arns []string) *wire.Error {
	if len(arns) == 0 || len(arns) > maxTagged {
		return wire.Errorf("ValidationError", "Between 1 and %d resource ARNs must be specified", maxTagged)
	}
	for _, arn := range arns {
		if err := m.checkResource(arn); err != nil {
			return err
		}
	}
	return nil
}

// checkResource finds what an ARN names.
func (m model) checkResource(arn string) *wire.Error {
	var ok bool
	missing := wire.Errorf("ValidationError", "'%s' is not a valid resource ARN", arn)
	switch {
	case strings.Contains(arn, ":loadbalancer/"):
		_, ok = m.LoadBalancers[arn]
		missing = loadBalancerNotFound(arn)
	case strings.Contains(arn, ":targetgroup/"):
		_, ok = m.TargetGroups[arn]
		missing = targetGroupNotFound()
	case strings.Contains(arn, ":listener/"):
		_, ok = m.Listeners[arn]
		missing = listenerNotFound()
	case strings.Contains(arn, ":listener-rule/"):
		_, ok = m.Rules[arn]
		missing = ruleNotFound()
	}
	if ok {
		return nil
	}
	return missing
}

// setTags adds tags; a key that is there gets the new value.
func (m *model) setTags(arn string, tags []tag) *wire.Error {
	if len(tags) == 0 {
		return nil
	}
	have := slices.Clone(m.Tags[arn])
	for i, t := range tags {
		if t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256 || strings.HasPrefix(t.Key, "aws:") {
			return wire.Errorf("ValidationError", "Tag '%s' must have a key of 1 to 128 characters that does not begin with 'aws:' and a value of at most 256", t.Key)
		}
		if slices.ContainsFunc(tags[:i], func(o tag) bool { return o.Key == t.Key }) {
			return wire.Errorf("DuplicateTagKeys", "Tag key '%s' is specified more than once", t.Key)
		}
		if at := slices.IndexFunc(have, func(o tag) bool { return o.Key == t.Key }); at >= 0 {
			have[at] = t
			continue
		}
		have = append(have, t)
	}
	if len(have) > maxTags {
		return wire.Errorf("TooManyTags", "Resource '%s' can have up to %d tags", arn, maxTags)
	}
	m.Tags[arn] = have
	return nil
}
