// Package eks tells about the lab's clusters as the EKS API does: ListClusters
// and DescribeCluster over REST/JSON.
//
// It promises the documented shape and ResourceNotFoundException for a cluster
// it was not told about. It never makes, changes or reaches a cluster.
package eks

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"watari.dev/lab/aws/wire"
)

// maxClusters per page (API reference, ListClusters: 1..100).
const maxClusters = 100

// Cluster is one cluster to tell about.
type Cluster struct {
	Name     string    `json:"name"`
	Version  string    `json:"version"`  // such as 1.33
	Endpoint string    `json:"endpoint"` // URL of the API server
	CA       []byte    `json:"ca"`       // PEM; base64 in JSON
	Created  time.Time `json:"created"`
}

// Service implements wire.Service.
type Service struct {
	Account  string // 12 digits
	Region   string
	Clusters []Cluster
}

// Name is the service's name in a credential scope.
func (s *Service) Name() string { return "eks" }

// Bucket says that no action is throttled here.
func (s *Service) Bucket(string) string { return "" }

// Actions lists what the service serves.
func (s *Service) Actions() []string { return []string{"DescribeCluster", "ListClusters"} }

// Action tells the action from method and path.
func (s *Service) Action(r *http.Request, _ []byte) (string, *wire.Error) {
	name, one := strings.CutPrefix(r.URL.Path, "/clusters/")
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/clusters":
		return "ListClusters", nil
	case r.Method == http.MethodGet && one && name != "" && !strings.Contains(name, "/"):
		return "DescribeCluster", nil
	}
	return "", wire.InvalidAction(r.Method + " " + r.URL.Path)
}

// Do carries out an action.
func (s *Service) Do(_ context.Context, call wire.Call) (wire.Reply, *wire.Error) {
	if call.Action == "ListClusters" {
		query := call.HTTP.URL.Query()
		return s.listClusters(query.Get("maxResults"), query.Get("nextToken"))
	}
	return s.describeCluster(strings.TrimPrefix(call.HTTP.URL.Path, "/clusters/"))
}

func (s *Service) listClusters(maxResults, nextToken string) (wire.Reply, *wire.Error) {
	limit, start := maxClusters, 0
	var err error
	if maxResults != "" {
		if limit, err = strconv.Atoi(maxResults); err != nil || limit < 1 || limit > maxClusters {
			return wire.Reply{}, wire.Errorf("InvalidParameterException", "maxResults must be between 1 and %d", maxClusters)
		}
	}
	if nextToken != "" {
		if start, err = strconv.Atoi(nextToken); err != nil || start < 0 || start > len(s.Clusters) {
			return wire.Reply{}, wire.Errorf("InvalidParameterException", "nextToken '%s' is not valid", nextToken)
		}
	}
	names := make([]string, 0, len(s.Clusters))
	for _, c := range s.Clusters {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	document := map[string]any{"nextToken": nil}
	end := min(start+limit, len(names))
	if end < len(names) {
		document["nextToken"] = strconv.Itoa(end)
	}
	document["clusters"] = names[start:end]
	return wire.JSONReply(http.StatusOK, document), nil
}

func (s *Service) describeCluster(name string) (wire.Reply, *wire.Error) {
	i := slices.IndexFunc(s.Clusters, func(c Cluster) bool { return c.Name == name })
	if i < 0 {
		return wire.Reply{}, &wire.Error{Status: http.StatusNotFound, Code: "ResourceNotFoundException", Message: "No cluster found for name: " + name + "."}
	}
	c := s.Clusters[i]
	return wire.JSONReply(http.StatusOK, map[string]any{"cluster": map[string]any{
		"name":                 c.Name,
		"arn":                  "arn:" + wire.PartitionOf(s.Region).Name + ":eks:" + s.Region + ":" + s.Account + ":cluster/" + c.Name,
		"createdAt":            float64(c.Created.UnixMilli()) / 1000,
		"version":              c.Version,
		"endpoint":             c.Endpoint,
		"status":               "ACTIVE",
		"platformVersion":      "eks.1",
		"certificateAuthority": map[string]string{"data": base64.StdEncoding.EncodeToString(c.CA)},
		"tags":                 map[string]string{},
	}}), nil
}

// RenderError writes the error document of the REST/JSON protocol.
func (s *Service) RenderError(e *wire.Error, _ string) wire.Reply { return wire.JSONError(e) }
