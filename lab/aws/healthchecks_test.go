package aws

import (
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// TestDeletedHealthCheckRefusesTheBatch: a health check may be deleted while records
// name it, and then no batch is accepted that writes one of them. Nothing of such a
// batch happens.
func TestDeletedHealthCheckRefusesTheBatch(t *testing.T) {
	h := start(t)
	z := h.zone("example.com")
	config := &r53types.HealthCheckConfig{Type: r53types.HealthCheckTypeTcp, IPAddress: sdk.String("192.0.2.1"), Port: sdk.Int32(80)}
	made, err := h.r53.CreateHealthCheck(h.ctx, &route53.CreateHealthCheckInput{CallerReference: sdk.String("1"), HealthCheckConfig: config})
	if err != nil || made.HealthCheck == nil || *made.HealthCheck.Id == "" {
		t.Fatalf("%+v, %v", made, err)
	}
	checked := func(action string, weight int64) edit {
		e := weighted(action, "checked.example.com", "A", "old", weight, 60, "192.0.2.1")
		e.ResourceRecordSet.HealthCheckId = made.HealthCheck.Id
		return e
	}
	h.mustChange(z, checked("CREATE", 50), weighted("CREATE", "plain.example.com", "A", "old", 50, 60, "192.0.2.1"))
	if _, err := h.r53.DeleteHealthCheck(h.ctx, &route53.DeleteHealthCheckInput{HealthCheckId: made.HealthCheck.Id}); err != nil {
		t.Fatal(err)
	}
	before := h.records(z)
	_, err = h.change(z, weighted("UPSERT", "plain.example.com", "A", "old", 0, 60, "192.0.2.1"), checked("UPSERT", 0))
	wantCode(t, err, "NoSuchHealthCheck")
	h.wantRecords(z, before...)
	h.mustChange(z, weighted("UPSERT", "plain.example.com", "A", "old", 0, 60, "192.0.2.1"))
	h.mustChange(z, checked("DELETE", 50))
	_, err = h.r53.DeleteHealthCheck(h.ctx, &route53.DeleteHealthCheckInput{HealthCheckId: made.HealthCheck.Id})
	wantCode(t, err, "NoSuchHealthCheck")
}
