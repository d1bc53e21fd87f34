package v1alpha1

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Share is the target's part of the traffic in basis points, 0..10000. It is
// written as a percentage ("1%", "0.5%") or as a whole number of basis points.
//
// +kubebuilder:validation:Type=""
// +kubebuilder:validation:Format=""
// +kubebuilder:validation:XIntOrString
// +kubebuilder:validation:MaxLength=8
// +kubebuilder:validation:Pattern=`^(100([.]0{1,2})?|[0-9]{1,2}([.][0-9]{1,2})?) ?%$`
// +kubebuilder:validation:XValidation:rule="type(self) != int || (self >= 0 && self <= 10000)",message="a share lies between 0 and 10000 basis points"
type Share int32

const allShare Share = 10000

// String writes s as messages do: "0.5 %".
func (s Share) String() string { return decimal(int64(s), 2) + " %" }

// MarshalJSON writes "0.5%".
func (s Share) MarshalJSON() ([]byte, error) { return json.Marshal(decimal(int64(s), 2) + "%") }

// UnmarshalJSON reads "1%", "0.5 %" or a whole number of basis points, and
// refuses what is not in 0..100 % or finer than one basis point.
func (s *Share) UnmarshalJSON(data []byte) error {
	text, quoted := unquoted(data)
	if !quoted && text == "null" {
		return nil
	}
	v, err := parseShare(text, quoted)
	if err != nil {
		return err
	}
	*s = v
	return nil
}

// parseShare reads a share that was written with or without quotes.
func parseShare(text string, quoted bool) (Share, error) {
	number, isPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	number = strings.TrimSpace(number)
	if !isPercent {
		return parseBasisPoints(number, quoted)
	}
	v, ok := parseDecimal(number, 2)
	if !ok {
		return 0, notShare(number, text)
	}
	return inShareRange(v)
}

func parseBasisPoints(number string, quoted bool) (Share, error) {
	v, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err != nil:
		return 0, notShare(number, number)
	case quoted:
		return 0, fmt.Errorf("%q has no unit: write %s%% for percent, or the number without quotes for basis points", number, number)
	}
	return inShareRange(v)
}

func notShare(number, text string) error {
	if f, err := strconv.ParseFloat(number, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
		if strings.HasSuffix(strings.TrimSpace(text), "%") {
			return fmt.Errorf("%s is finer than 0.01 %%, the smallest share, or is not written plainly: write it such as 0.5%%", text)
		}
		return fmt.Errorf("%s is neither a percentage nor a whole number of basis points: write %s%%, or such as 50 for 0.5 %%", text, number)
	}
	return fmt.Errorf("%q is not a share: write a percentage such as 0.5%%, or a whole number of basis points such as 50", text)
}

func inShareRange(v int64) (Share, error) {
	switch {
	case v < 0:
		return 0, fmt.Errorf("%s %% is below zero: a share lies above 0 %% and goes up to 100 %%", decimal(v, 2))
	case v > int64(allShare):
		return 0, fmt.Errorf("%s %% is above 100 %%: the last step is 100%%", decimal(v, 2))
	}
	return Share(v), nil
}

// decimal writes v, which counts units of 10^-digits, without trailing zeros.
func decimal(v int64, digits int) string {
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	text := fmt.Sprintf("%0*d", digits+1, v)
	whole, fraction := text[:len(text)-digits], strings.TrimRight(text[len(text)-digits:], "0")
	if fraction == "" {
		return sign + whole
	}
	return sign + whole + "." + fraction
}

// parseDecimal reads a plain decimal number as units of 10^-digits. It returns
// false for anything else, and for a number with more decimals than that.
func parseDecimal(text string, digits int) (int64, bool) {
	unsigned, negative := strings.CutPrefix(text, "-")
	whole, fraction, _ := strings.Cut(unsigned, ".")
	if whole == "" || len(whole) > 9 || len(fraction) > digits {
		return 0, false
	}
	v, err := strconv.ParseUint(whole+fraction+strings.Repeat("0", digits-len(fraction)), 10, 63)
	if err != nil {
		return 0, false
	}
	if negative {
		return -int64(v), true
	}
	return int64(v), true
}

// unquoted returns the text of a JSON scalar and whether it was a string.
func unquoted(data []byte) (text string, quoted bool) {
	if json.Unmarshal(data, &text) == nil && strings.HasPrefix(strings.TrimSpace(string(data)), `"`) {
		return text, true
	}
	return strings.TrimSpace(string(data)), false
}
