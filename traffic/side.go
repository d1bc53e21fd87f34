package traffic

import "fmt"

// Side is one of the two environments of a migration.
type Side uint8

// The zero value is not a side: a reading that nobody attributed belongs to
// neither environment.
const (
	NoSide Side = iota
	Source
	Target
)

// String returns "source", "target" or "neither side".
func (s Side) String() string {
	switch s {
	case Source:
		return "source"
	case Target:
		return "target"
	default:
		return "neither side"
	}
}

// MarshalText writes "source" or "target".
func (s Side) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *Side) UnmarshalText(text []byte) error {
	switch string(text) {
	case "source":
		*s = Source
	case "target":
		*s = Target
	case "neither side", "":
		*s = NoSide
	default:
		return fmt.Errorf("%q is neither source nor target", text)
	}
	return nil
}

// BySide holds one value for each side.
type BySide[T any] struct {
	Source T `json:"source"`
	Target T `json:"target"`
}

// Of returns the value of side; NoSide has the zero value.
func (b BySide[T]) Of(side Side) T {
	switch side {
	case Source:
		return b.Source
	case Target:
		return b.Target
	default:
		var zero T
		return zero
	}
}
