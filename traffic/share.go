package traffic

import (
	"fmt"
	"strconv"
	"strings"
)

// Share is the part of a route's traffic that is meant for the target, in basis
// points: 0 is nothing, 10000 is everything.
type Share int

// The two ends of a migration.
const (
	None Share = 0
	All  Share = 10000
)

// Valid reports whether s lies in 0..10000.
func (s Share) Valid() bool { return s >= None && s <= All }

// Ratio returns s as a number in 0..1.
func (s Share) Ratio() float64 { return float64(s) / float64(All) }

// String writes s as people read it: "0 %", "0.5 %", "12.25 %", "100 %".
func (s Share) String() string { return s.percent() + " %" }

// MarshalText writes s as "12.25%".
func (s Share) MarshalText() ([]byte, error) { return []byte(s.percent() + "%"), nil }

// UnmarshalText reads what ParseShare reads.
func (s *Share) UnmarshalText(text []byte) error {
	v, err := ParseShare(string(text))
	if err != nil {
		return err
	}
	*s = v
	return nil
}

func (s Share) percent() string {
	sign, v := "", int(s)
	if v < 0 {
		sign, v = "-", -v
	}
	whole, rest := v/100, v%100
	if rest == 0 {
		return sign + strconv.Itoa(whole)
	}
	return sign + strings.TrimRight(fmt.Sprintf("%d.%02d", whole, rest), "0")
}

// ParseShare reads a share: "1%", "0.5 %" or a whole number of basis points
// ("50" is 0.5 %). It refuses what is not in 0..100 % or finer than one basis
// point.
func ParseShare(text string) (Share, error) {
	t := strings.TrimSpace(text)
	number, isPercent := strings.CutSuffix(t, "%")
	if !isPercent {
		v, err := strconv.Atoi(t)
		if err != nil {
			return 0, fmt.Errorf("share %q is neither a percentage such as 1%% or 0.5%% nor a whole number of basis points", text)
		}
		return checked(Share(v), text)
	}
	whole, fraction, _ := strings.Cut(strings.TrimSpace(number), ".")
	if len(fraction) > 2 {
		return 0, fmt.Errorf("share %q is finer than 0.01 %%, one basis point", text)
	}
	v, err := strconv.ParseUint(whole+fraction+strings.Repeat("0", 2-len(fraction)), 10, 31)
	if err != nil || whole == "" {
		return 0, fmt.Errorf("share %q is not a percentage such as 1%% or 0.5%%", text)
	}
	return checked(Share(v), text)
}

func checked(s Share, text string) (Share, error) {
	if !s.Valid() {
		return 0, fmt.Errorf("share %q is not between 0 %% and 100 %%", text)
	}
	return s, nil
}
