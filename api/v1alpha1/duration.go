package v1alpha1

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseDuration reads a duration as Go writes it and says what would be right
// where it is not one.
func parseDuration(text string) (time.Duration, error) {
	t := strings.TrimSpace(text)
	if d, err := time.ParseDuration(t); err == nil && (t != "0" && t != "+0" && t != "-0") {
		return d, nil
	}
	if number, err := strconv.ParseFloat(t, 64); err == nil {
		if number == 0 {
			return 0, fmt.Errorf("%s is not a duration: write one above zero, such as 30s", t)
		}
		return 0, fmt.Errorf("%s has no unit: write %ss or %sm", t, t, t)
	}
	if together := strings.ReplaceAll(t, " ", ""); together != t {
		if _, err := time.ParseDuration(together); err == nil {
			return 0, fmt.Errorf("%q has a space inside: write %s", t, together)
		}
	}
	if days, found := strings.CutSuffix(t, "d"); found {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return 0, fmt.Errorf("%s: a day is not always 24 hours, so there is no such unit: write %dh", t, n*24)
		}
	}
	return 0, fmt.Errorf("%q is not a duration: write a number with a unit, such as 30s, 10m or 1h30m", text)
}

// readable writes d without the zero units that time.Duration appends.
func readable(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
