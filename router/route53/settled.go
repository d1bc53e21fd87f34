package route53

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"watari.dev/router"
	"watari.dev/router/internal/awscall"
	"watari.dev/traffic"
)

// Settled implements router.Driver: the names still have the share, all of
// Route 53's servers have it, and the TTL of the answers before has passed since
// the driver saw that.
func (d *Driver) Settled(ctx context.Context, receipt router.Receipt) (router.Settlement, error) {
	p := d.calls(receipt.Share == traffic.None)
	groups, _, err := d.read(ctx, p, seeSettled, receipt.Route)
	if err != nil {
		return router.Settlement{}, err
	}
	for _, g := range groups {
		if has := g.part(receipt.Route).Share; has != receipt.Share {
			return router.Settlement{}, &router.Error{Op: seeSettled, On: fmt.Sprintf("%s in zone %s", shown(g.name), receipt.Route.ID),
				Kind: router.ErrConflict, Effect: router.EffectNothing, Cause: fmt.Errorf("it is at %s and was written as %s", has, receipt.Share)}
		}
	}
	ttl := longestTTL(groups, receipt.Route)
	since, pending, err := d.everywhere(ctx, p, receipt)
	if err != nil {
		return router.Settlement{}, awscall.ReadError(seeSettled, on(receipt.Route), err)
	}
	return decideSettled(since, pending, ttl, d.now(), warnings(groups, receipt.Route)), nil
}

// decideSettled adds the TTL to the moment since which all servers have it.
func decideSettled(since time.Time, pending string, ttl time.Duration, now time.Time, warnings []string) router.Settlement {
	s := router.Settlement{Pending: pending, Warnings: warnings}
	if pending != "" {
		return s
	}
	s.At = since.Add(ttl)
	switch left := s.At.Sub(now); {
	case left <= 0:
		s.Done = true
	case left > ttl:
		s.Pending = fmt.Sprintf("%s, because the reply to the write was lost: %s for Route 53's servers and %s for caches", left.Round(time.Second), 2*Propagation, ttl)
	default:
		s.Pending = fmt.Sprintf("%s until the last cached answer ends", left.Round(time.Second))
	}
	return s
}

// everywhere returns since when all of Route 53's servers certainly have the
// receipt's changes, or what is pending. Without change IDs, or with IDs that
// AWS has forgotten, it assumes twice the usual time.
func (d *Driver) everywhere(ctx context.Context, p awscall.Policy, receipt router.Receipt) (since time.Time, pending string, err error) {
	if receipt.Token == "" {
		return d.assumed(receipt)
	}
	open := 0
	ids := strings.Split(receipt.Token, ",")
	for _, id := range ids {
		at, ok, err := d.seenInsync(ctx, p, id)
		switch {
		case errors.Is(err, errForgotten):
			return d.assumed(receipt)
		case err != nil:
			return time.Time{}, "", err
		case !ok:
			open++
		case at.After(since):
			since = at
		}
	}
	if open > 0 {
		return time.Time{}, fmt.Sprintf("PENDING at Route 53, generally INSYNC within %s (%d of %d changes)", Propagation, open, len(ids)), nil
	}
	return since, "", nil
}

func (d *Driver) assumed(receipt router.Receipt) (time.Time, string, error) {
	if receipt.At.IsZero() {
		return time.Time{}, "nobody knows when it was written; write it again", nil
	}
	return receipt.At.Add(2 * Propagation), "", nil
}

var errForgotten = errors.New("the change is no longer known")

// seenInsync returns when this driver first saw a change on all servers; AWS
// does not tell when that was. It asks until it was.
func (d *Driver) seenInsync(ctx context.Context, p awscall.Policy, id string) (at time.Time, ok bool, err error) {
	d.mu.Lock()
	at, ok = d.insync[id]
	d.mu.Unlock()
	if ok {
		return at, true, nil
	}
	out, err := awscall.Read(ctx, p, func(ctx context.Context) (*sdk.GetChangeOutput, error) {
		return d.api.GetChange(ctx, &sdk.GetChangeInput{Id: &id})
	})
	switch {
	case awscall.CodeOf(err) == "NoSuchChange":
		return time.Time{}, false, errForgotten
	case err != nil:
		return time.Time{}, false, err
	case out.ChangeInfo == nil || out.ChangeInfo.Status != types.ChangeStatusInsync:
		return time.Time{}, false, nil
	}
	return d.rememberInsync(id), true, nil
}

// memory bounds how many changes are remembered, and for how long beyond that.
const (
	memory       = 1000
	memoryPeriod = 24 * time.Hour
)

func (d *Driver) rememberInsync(id string) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	if at, ok := d.insync[id]; ok {
		return at
	}
	if len(d.insync) >= memory {
		for old, at := range d.insync {
			if now.Sub(at) > memoryPeriod {
				delete(d.insync, old)
			}
		}
	}
	d.insync[id] = now
	return now
}
