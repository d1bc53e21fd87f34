// Package v1beta1 is the part of AWS Load Balancer Controller's TargetGroupBinding
// that the lab's binder understands. Objects written for AWS's controller are
// accepted as they are; fields that have no meaning in the lab are kept and
// ignored. It holds types and their CRD only, no logic.
//
// +groupName=elbv2.k8s.aws
// +kubebuilder:object:generate=true
package v1beta1

//go:generate go tool controller-gen object crd paths=. output:crd:dir=. output:object:dir=.
