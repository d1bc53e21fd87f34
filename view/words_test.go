package view

import (
	"testing"
	"time"
)

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 37 * time.Millisecond: "37ms", 999 * time.Millisecond: "999ms", 999999 * time.Microsecond: "1s", time.Second: "1s",
		1500 * time.Millisecond: "1.5s", 9960 * time.Millisecond: "10s", 10400 * time.Millisecond: "10s", 59 * time.Second: "59s", 59600 * time.Millisecond: "1m",
		time.Minute: "1m", 65 * time.Second: "1m05s", 10 * time.Minute: "10m", 3599600 * time.Millisecond: "1h",
		time.Hour: "1h", 90 * time.Minute: "1h30m", 25*time.Hour + 41*time.Minute: "25h41m", 48*time.Hour - time.Second: "2d",
		48 * time.Hour: "2d", 74 * time.Hour: "3d02h", -65 * time.Second: "-1m05s",
	} {
		if got := Span(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 12345: "12,345", 1234567: "1,234,567", -1: "-1", -1234: "-1,234"} {
		if got := Count(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	for ratio, want := range map[float64]string{
		0: "0 %", 0.0000012: "0.00012 %", 0.0005: "0.05 %", 0.0011: "0.11 %", 0.01: "1 %", 0.041: "4.1 %", 0.0412: "4.12 %",
		0.09999: "10 %", 0.1: "10 %", 0.2345: "23.4 %", 0.2346: "23.5 %", 0.99996: "100 %", 1: "100 %", 0.00099999: "0.1 %",
	} {
		if got := Percent(ratio); got != want {
			t.Errorf("%v: %q, want %q", ratio, got, want)
		}
	}
}

func TestLegible(t *testing.T) {
	const arn = "arn:aws-us-gov:elasticloadbalancing:us-gov-west-1:123456789012:"
	for text, want := range map[string]string{
		arn + "targetgroup/shop-1/73e2d6bc24d8a067 70, " + arn + "targetgroup/shop-2/943f017f100becff 30": "shop-1 70, shop-2 30",
		arn + "listener/app/shop/50dc/f2f7": arn + "listener/app/shop/50dc/f2f7",
		"":                                  "",
	} {
		if got := legible(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
