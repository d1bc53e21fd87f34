package v1alpha1

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Ratio is a part of something in parts per million, 0..1000000. It is written
// as a percentage ("1%", "0.05%") or as a quoted fraction of one ("0.01").
//
// +kubebuilder:validation:Type=string
// +kubebuilder:validation:MaxLength=16
// +kubebuilder:validation:Pattern=`^((100([.]0{1,4})?|[0-9]{1,2}([.][0-9]{1,4})?) ?%|0[.][0-9]{1,6})$`
type Ratio int32

const wholeRatio Ratio = 1_000_000

// Float64 returns r in 0..1.
func (r Ratio) Float64() float64 { return float64(r) / float64(wholeRatio) }

// String writes r as messages do: "0.5 %".
func (r Ratio) String() string { return decimal(int64(r), 4) + " %" }

// MarshalJSON writes "0.5%".
func (r Ratio) MarshalJSON() ([]byte, error) { return json.Marshal(decimal(int64(r), 4) + "%") }

// UnmarshalJSON reads "1%", "0.5 %" or "0.005", and refuses what is not in
// 0..100 % or finer than one in a million.
func (r *Ratio) UnmarshalJSON(data []byte) error {
	text, quoted := unquoted(data)
	if !quoted && text == "null" {
		return nil
	}
	v, err := parseRatio(text, quoted)
	if err != nil {
		return err
	}
	*r = v
	return nil
}

// parseRatio reads a ratio that was written with or without quotes.
func parseRatio(text string, quoted bool) (Ratio, error) {
	number, isPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	number = strings.TrimSpace(number)
	digits := 6
	if isPercent {
		digits = 4
	}
	v, ok := parseDecimal(number, digits)
	switch {
	case !ok:
		return 0, fmt.Errorf("%q is not a ratio: write a percentage such as 0.5%%", text)
	case !isPercent && v >= int64(wholeRatio):
		// 1 may be meant as one percent or as all.
		return 0, fmt.Errorf("%s has no percent sign: write %s%%", text, number)
	case v < 0 || v > int64(wholeRatio):
		return 0, fmt.Errorf("%s %% is not between 0 %% and 100 %%: write a percentage such as 0.5%%", decimal(v, 4))
	case !isPercent && !quoted:
		return 0, fmt.Errorf("%s is a bare number: write %s%%", text, decimal(v, 4))
	}
	return Ratio(v), nil
}
