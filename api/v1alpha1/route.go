package v1alpha1

// Route is one lever that splits traffic: a name and exactly one kind.
//
// +kubebuilder:validation:ExactlyOneOf=alb;route53
type Route struct {
	// Name of the route in messages and reports, unique in the migration.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// Two weighted target groups of an Application Load Balancer.
	// +optional
	ALB *ALBRoute `json:"alb,omitempty"`

	// Weighted records of a Route 53 hosted zone.
	// +optional
	Route53 *Route53Route `json:"route53,omitempty"`
}

// ALBRoute is the forward action of a listener rule, or of a listener's default.
//
// +kubebuilder:validation:ExactlyOneOf=listenerRuleARN;listenerARN
// +kubebuilder:validation:XValidation:rule="self.source.targetGroupARN != self.target.targetGroupARN",message="source and target must be different target groups"
type ALBRoute struct {
	// The rule whose forward action is the lever.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^arn:aws[-a-z]*:elasticloadbalancing:[a-z]+(-[a-z]+)+-[0-9]+:[0-9]{12}:listener-rule/app/[A-Za-z0-9-]{1,32}/[A-Za-z0-9]+/[A-Za-z0-9]+/[A-Za-z0-9]+$`
	ListenerRuleARN string `json:"listenerRuleARN,omitempty"`

	// The listener whose default action is the lever.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^arn:aws[-a-z]*:elasticloadbalancing:[a-z]+(-[a-z]+)+-[0-9]+:[0-9]{12}:listener/app/[A-Za-z0-9-]{1,32}/[A-Za-z0-9]+/[A-Za-z0-9]+$`
	ListenerARN string `json:"listenerARN,omitempty"`

	// The group that serves the source.
	Source TargetGroup `json:"source"`
	// The group that serves the target.
	Target TargetGroup `json:"target"`

	// How AWS is reached for this route; fields left out come from spec.aws, the
	// region from the ARN.
	// +optional
	AWS *AWSAccess `json:"aws,omitempty"`
}

// TargetGroup is one side of an ALB route.
type TargetGroup struct {
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^arn:aws[-a-z]*:elasticloadbalancing:[a-z]+(-[a-z]+)+-[0-9]+:[0-9]{12}:targetgroup/[A-Za-z0-9-]{1,32}/[A-Za-z0-9]+$`
	TargetGroupARN string `json:"targetGroupARN"`
}

// Route53Route is a set of names in one hosted zone whose weighted records are
// changed together.
//
// +kubebuilder:validation:XValidation:rule="self.source.setIdentifier != self.target.setIdentifier",message="source and target must have different set identifiers"
// +kubebuilder:validation:XValidation:rule="!has(self.convert) || !self.convert || has(self.target.alias) || has(self.target.value)",message="convert needs target.alias or target.value, from which the target's record is made"
type Route53Route struct {
	// The zone's ID, such as Z0123456789ABCDEFGHIJ.
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Z0-9]+$`
	HostedZoneID string `json:"hostedZoneID"`

	// The names whose records split the traffic.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	Names []string `json:"names"`

	// Type of the records; by default A.
	// +optional
	Type RecordType `json:"type,omitempty"`

	// The record of the source.
	Source Route53Source `json:"source"`
	// The record of the target.
	Target Route53Target `json:"target"`

	// Permits turning a simple record into weighted ones, in one change without
	// a gap, and back with "watari restore".
	// +optional
	Convert bool `json:"convert,omitempty"`

	// How AWS is reached for this route; fields left out come from spec.aws.
	// +optional
	AWS *AWSAccess `json:"aws,omitempty"`
}

// RecordType is the type of a route's records.
//
// +kubebuilder:validation:Enum=A;AAAA;CNAME
type RecordType string

// The record types that a route may have.
const (
	RecordA     RecordType = "A"
	RecordAAAA  RecordType = "AAAA"
	RecordCNAME RecordType = "CNAME"
)

// Route53Source is the record of the source.
type Route53Source struct {
	// Set identifier of the weighted record; of the one made from the simple
	// record where that is converted.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	SetIdentifier string `json:"setIdentifier"`
}

// Route53Target is the record of the target. Alias or Value says what the record
// is made of where it does not exist yet; a record that exists keeps its content.
//
// +kubebuilder:validation:AtMostOneOf=alias;value
// +kubebuilder:validation:XValidation:rule="!has(self.ttl) || has(self.value)",message="ttl belongs to value"
type Route53Target struct {
	// Set identifier of the weighted record.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	SetIdentifier string `json:"setIdentifier"`

	// Makes the record an alias of an AWS resource, such as a load balancer.
	// +optional
	Alias *AliasTarget `json:"alias,omitempty"`

	// Makes the record hold this address or name; a weighted record holds one.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Value string `json:"value,omitempty"`

	// Seconds that resolvers may keep the value. By default, and as 0, that of
	// the source's record: all weighted records of a name share one TTL.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	TTL *int64 `json:"ttl,omitempty"`
}

// AliasTarget is what an alias record points at.
type AliasTarget struct {
	// DNS name of the resource, such as the load balancer's.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	DNSName string `json:"dnsName"`

	// Hosted zone ID of the resource's own zone (a load balancer's
	// CanonicalHostedZoneId), not of the zone of the names.
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Z0-9]+$`
	HostedZoneID string `json:"hostedZoneID"`

	// Whether Route 53 takes the record out of its answers while the resource
	// has no healthy target.
	// +optional
	EvaluateTargetHealth bool `json:"evaluateTargetHealth,omitempty"`
}

// AWSAccess says how AWS is reached. What is left out comes from the standard
// configuration chain of the AWS SDK.
type AWSAccess struct {
	// Profile of the shared AWS configuration.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Profile string `json:"profile,omitempty"`

	// Region, such as eu-west-1.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[a-z]+(-[a-z]+)+-[0-9]+$`
	Region string `json:"region,omitempty"`

	// Role to assume.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^arn:aws[-a-z]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$`
	RoleARN string `json:"roleARN,omitempty"`

	// URL where the service of the route or signal answers instead of AWS, such as a
	// VPC endpoint; in spec.aws, that of all routes and CloudWatch signals. STS and
	// single sign-on are not asked there, and AWS_ENDPOINT_URL_<SERVICE> goes first.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^/ ]+`
	EndpointURL string `json:"endpointURL,omitempty"`
}
