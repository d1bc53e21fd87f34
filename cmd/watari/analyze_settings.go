package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"watari.dev/verdict"
)

// settingFlags are settings of gate.analysis to try.
type settingFlags struct {
	alpha, slo, ratio, difference, form string
	unit                                time.Duration
}

func (f *settingFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.alpha, "alpha", "", "chance of rolling back a target that is not worse, over the whole migration, such as 1%")
	flags.StringVar(&f.form, "form", "", "hybrid, unit, steady, product or limit")
	flags.DurationVar(&f.unit, "unit", 0, "span of one observation; longer than the bursts of errors")
	flags.StringVar(&f.slo, "slo", "", "service level objective, such as 99.9%")
	flags.StringVar(&f.ratio, "ratio", "", "how many times as often as the source the target may fail")
	flags.StringVar(&f.difference, "difference", "", "and how much more of its requests, such as 0.05%")
}

// apply returns cfg with what the flags say in its place.
func (f *settingFlags) apply(cfg verdict.Config) (verdict.Config, error) {
	var err error
	if f.alpha != "" {
		if cfg.Alpha, err = part("--alpha", f.alpha); err != nil {
			return cfg, err
		}
		if cfg.Alpha <= 0 || cfg.Alpha >= 0.5 {
			return cfg, usage{fmt.Errorf("--alpha %s: must be above 0 and below 50%%", f.alpha)}
		}
	}
	if f.slo != "" {
		slo, err := part("--slo", f.slo)
		if err != nil {
			return cfg, err
		}
		if slo < 0.5 || slo >= 1 {
			return cfg, usage{fmt.Errorf("--slo %s: must be 50%% or more and below 100%%, such as 99.9%%", f.slo)}
		}
		cfg.Limit = verdict.LimitOf(slo)
	}
	if f.difference != "" {
		if cfg.Difference, err = part("--difference", f.difference); err != nil {
			return cfg, err
		}
		if cfg.Difference == 0 {
			cfg.Difference = -1 // none, which is not the same as not said
		}
	}
	if f.ratio != "" {
		if cfg.Ratio, err = strconv.ParseFloat(f.ratio, 64); err != nil || !(cfg.Ratio >= 1 && cfg.Ratio <= 1000) {
			return cfg, usage{fmt.Errorf("--ratio %s: must be a number from 1 to 1000, such as 1.5", f.ratio)}
		}
	}
	if err := f.applyForm(&cfg); err != nil {
		return cfg, err
	}
	return cfg.WithDefaults(), nil
}

func (f *settingFlags) applyForm(cfg *verdict.Config) error {
	switch form := verdict.Form(f.form); form {
	case "":
	case verdict.Hybrid, verdict.Unit, verdict.Steady, verdict.Product, verdict.Limit:
		cfg.Form = form
	default:
		return usage{fmt.Errorf("--form %s: there are hybrid, unit, steady, product and limit", f.form)}
	}
	switch {
	case f.unit < 0 || f.unit > 0 && f.unit < time.Second:
		return usage{fmt.Errorf("--unit %s: must be a second or more", f.unit)}
	case f.unit > 0:
		cfg.Unit, cfg.LongestUnit = f.unit, max(cfg.LongestUnit, f.unit)
	}
	return nil
}

// part reads a part of one: 1% or 0.01.
func part(flag, text string) (float64, error) {
	digits, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return 0, usage{fmt.Errorf("%s %s: must be a part of one, such as 1%% or 0.01", flag, text)}
	}
	return v, nil
}
