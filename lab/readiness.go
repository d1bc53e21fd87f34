//go:build linux

package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"watari.dev/lab/kube"
)

// readyTimeout bounds one question whether a component serves.
const readyTimeout = 2 * time.Second

func getOK(ctx context.Context, url string) error {
	client := http.Client{Timeout: readyTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s", url, resp.Status)
	}
	return nil
}

// hasCondition asks whether an object of a cluster has a condition.
func hasCondition(ctx context.Context, plane *kube.Plane, path, condition string) error {
	body, err := plane.Get(ctx, path)
	if err != nil {
		return err
	}
	return findCondition(body, condition)
}

func findCondition(object []byte, condition string) error {
	var o struct {
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := json.Unmarshal(object, &o); err != nil {
		return err
	}
	for _, c := range o.Status.Conditions {
		if c.Type != condition {
			continue
		}
		if c.Status == "True" {
			return nil
		}
		return fmt.Errorf("%s is %s: %s", condition, c.Status, c.Message)
	}
	return fmt.Errorf("%s is not set yet", condition)
}
