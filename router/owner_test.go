package router

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"watari.dev/traffic"
)

func TestTagOwners(t *testing.T) {
	for _, c := range []struct {
		name string
		tags map[string]string
		want []traffic.Owner
	}{
		{"nobody", map[string]string{"Name": "shop", "terraform": "false", "ManagedBy": ""}, nil},
		{"an Ingress", map[string]string{"elbv2.k8s.aws/cluster": "eks-1-33", "ingress.k8s.aws/stack": "shop/web", "ingress.k8s.aws/resource": "443:1"}, []traffic.Owner{{
			Name: "the AWS Load Balancer Controller of cluster eks-1-33 (Ingress shop/web)", Sure: traffic.Probably,
			Proof:  "the rule has its tags elbv2.k8s.aws/cluster and ingress.k8s.aws/stack",
			Remedy: "set the weights in the annotation alb.ingress.kubernetes.io/actions.NAME as well, or use a rule that it does not make",
		}}},
		{"a Gateway", map[string]string{"elbv2.k8s.aws/cluster": "eks-1-33", "gateway.k8s.aws.alb/stack": "shop/edge"}, []traffic.Owner{{
			Name: "the AWS Load Balancer Controller of cluster eks-1-33 (Gateway shop/edge)", Sure: traffic.Probably,
			Proof:  "the rule has its tags elbv2.k8s.aws/cluster and gateway.k8s.aws.alb/stack",
			Remedy: "set the weights in the backendRefs of its routes as well, or use a rule that it does not make",
		}}},
		{"a controller that does not say for what", map[string]string{"elbv2.k8s.aws/cluster": "eks-1-33"}, []traffic.Owner{{
			Name: "the AWS Load Balancer Controller of cluster eks-1-33", Sure: traffic.Probably,
			Proof:  "the rule has its tag elbv2.k8s.aws/cluster",
			Remedy: "scale it down while the migration runs, or use a rule that it does not make",
		}}},
		{"a stack", map[string]string{"aws:cloudformation:stack-name": "shop", "aws:cloudformation:logical-id": "Rule"}, []traffic.Owner{{
			Name: "the CloudFormation stack shop", Sure: traffic.Perhaps,
			Proof:  "the rule has its tag aws:cloudformation:stack-name",
			Remedy: "do not update the stack while the migration runs",
		}}},
		{"Terraform, said twice, and another one", map[string]string{"ManagedBy": "terraform", "Terraform": "true", "managed-by": "pulumi"}, []traffic.Owner{
			{
				Name: "Terraform", Sure: traffic.Perhaps, Proof: "the rule has the tag ManagedBy=terraform",
				Remedy: "do not apply it while the migration runs, or let it ignore the weights (lifecycle, ignore_changes)",
			},
			{Name: "pulumi", Sure: traffic.Perhaps, Proof: "the rule has the tag managed-by=pulumi", Remedy: "do not apply it while the migration runs"},
		}},
	} {
		if diff := cmp.Diff(c.want, TagOwners("the rule", c.tags)); diff != "" {
			t.Errorf("%s: want -, have +\n%s", c.name, diff)
		}
	}
}

func TestRegistrationOwners(t *testing.T) {
	weight := func(w int64) *int64 { return &w }
	of := func(owner, name string, own, now *int64) Registration {
		return Registration{Owner: owner, Resource: "ingress/shop/web", TXT: "a-" + name, Name: name, Own: own, Now: now}
	}
	const remedy = "set external-dns.alpha.kubernetes.io/aws-weight on ingress/shop/web, or stop it while the migration runs"
	for _, c := range []struct {
		name string
		all  []Registration
		want []traffic.Owner
	}{
		{"nobody", nil, nil},
		{"ours is there", []Registration{of("prod", "a.example.com", weight(100), weight(50))}, []traffic.Owner{
			{Name: "external-dns (owner prod)", Sure: traffic.Probably, Proof: "the TXT record a-a.example.com says that it owns a.example.com", Remedy: remedy},
		}},
		{"its own is there", []Registration{of("prod", "a.example.com", weight(0), weight(0))}, []traffic.Owner{
			{Name: "external-dns (owner prod)", Sure: traffic.Surely, Proof: "the TXT record a-a.example.com says that it owns a.example.com, and the weight that it registered, 0, is there now", Remedy: remedy},
		}},
		{"its own is there in one of two names", []Registration{of("prod", "a.example.com", weight(1), weight(1)), of("prod", "b.example.com", weight(1), weight(9))}, []traffic.Owner{
			{Name: "external-dns (owner prod)", Sure: traffic.Probably, Proof: "the TXT record a-a.example.com says that it owns a.example.com (and 1 more of the names)", Remedy: remedy},
		}},
		{"a simple record has no weight", []Registration{{Owner: "prod", TXT: "a.example.com", Name: "a.example.com"}}, []traffic.Owner{
			{
				Name: "external-dns (owner prod)", Sure: traffic.Probably, Proof: "the TXT record a.example.com says that it owns a.example.com",
				Remedy: "set external-dns.alpha.kubernetes.io/aws-weight on its object, or stop it while the migration runs",
			},
		}},
		{"one of each cluster", []Registration{of("new", "a.example.com", weight(0), weight(50)), of("old", "a.example.com", weight(100), weight(100))}, []traffic.Owner{
			{Name: "external-dns (owner new)", Sure: traffic.Probably, Proof: "the TXT record a-a.example.com says that it owns a.example.com", Remedy: remedy},
			{Name: "external-dns (owner old)", Sure: traffic.Surely, Proof: "the TXT record a-a.example.com says that it owns a.example.com, and the weight that it registered, 100, is there now", Remedy: remedy},
		}},
	} {
		have := RegistrationOwners(c.all)
		if diff := cmp.Diff(c.want, have); diff != "" {
			t.Errorf("%s: want -, have +\n%s", c.name, diff)
		}
	}
	both := RegistrationOwners([]Registration{of("new", "a.example.com", weight(0), weight(50)), of("old", "a.example.com", weight(100), weight(100))})
	if o := traffic.Surest(both); o == nil || o.Name != "external-dns (owner old)" || traffic.Surest(nil) != nil {
		t.Errorf("the surest is %+v", o)
	}
}
