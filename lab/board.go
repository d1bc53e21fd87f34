//go:build linux

package lab

import (
	"log/slog"
	"slices"
	"sync"
)

// board holds what the lab says of itself and writes it down at every change.
type board struct {
	layout layout
	log    *slog.Logger

	mu   sync.Mutex
	info Info
}

func newBoard(l layout, log *slog.Logger, info Info) *board {
	return &board{layout: l, log: log, info: info}
}

// change changes the info and writes it. A disk that refuses is no reason to
// stop the lab; it is logged.
func (b *board) change(apply func(*Info)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	apply(&b.info)
	if err := writeInfo(b.layout, b.info); err != nil {
		b.log.Error("the state of the lab could not be written", "error", err)
	}
}

// changeComponent changes what is said of one component.
func (b *board) changeComponent(name string, apply func(*ComponentInfo)) {
	b.change(func(info *Info) {
		i := slices.IndexFunc(info.Components, func(c ComponentInfo) bool { return c.Name == name })
		apply(&info.Components[i])
	})
}

// component returns what is said of one component.
func (b *board) component(name string) ComponentInfo {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.info.Components, func(c ComponentInfo) bool { return c.Name == name })
	return b.info.Components[i]
}
