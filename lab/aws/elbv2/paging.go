package elbv2

import (
	"encoding/base64"
	"slices"
	"strconv"

	"watari.dev/lab/aws/wire"
)

// maxPageSize and the default of the describing actions (API reference,
// DescribeRules: PageSize 1..400).
const maxPageSize = 400

// paging is a part of every describing request.
type paging struct {
	Marker   string
	PageSize *int
}

// page cuts one page out of items and says where the next one starts.
func page[T any](items []T, p paging) ([]T, string, *wire.Error) {
	size := maxPageSize
	if p.PageSize != nil {
		size = *p.PageSize
	}
	if size < 1 || size > maxPageSize {
		return nil, "", wire.Errorf("ValidationError", "Page size must be between 1 and %d", maxPageSize)
	}
	start, err := readMarker(p.Marker)
	if err != nil || start > len(items) {
		return nil, "", wire.Errorf("ValidationError", "Invalid marker '%s'", p.Marker)
	}
	end := min(start+size, len(items))
	next := ""
	if end < len(items) {
		next = base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(end)))
	}
	return slices.Clip(items[start:end]), next, nil
}

func readMarker(marker string) (int, error) {
	if marker == "" {
		return 0, nil
	}
	text, err := base64.StdEncoding.DecodeString(marker)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(text), 10, 31)
	return int(n), err
}
