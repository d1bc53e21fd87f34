package sim

import (
	"log/slog"

	"watari.dev/runner"
)

// mutantsOfReaders wait for whoever reads what they say.
func mutantsOfReaders() []Mutant {
	return []Mutant{
		{
			Name: "waits for its reader", Broken: "What a turn has decided is printed in the loop, which waits for a terminal that has stalled.",
			Breaks: []string{"nobody waits for a reader", "the watch goes on"},
			Config: func(p *process, cfg *runner.Config) {
				cfg.OnTurn = func(t runner.Turn) {
					for _, n := range t.Notes {
						_, _ = reader{p}.Write([]byte(n.Text))
					}
				}
			},
		},
		{
			Name: "log waits", Broken: "Lines of the log are written to the standard error output by the loop itself.",
			Breaks: []string{"nobody waits for a reader", "the watch goes on"},
			Config: func(p *process, cfg *runner.Config) { cfg.Log = slog.New(journalist{reader{p}}) },
		},
		{
			Name: "waits for room", Broken: "What is shown is bounded, and who has more to show waits until there is room.",
			Breaks: []string{"nobody waits for a reader", "the watch goes on"},
			Config: func(p *process, cfg *runner.Config) {
				show, tasks, waiting := cfg.OnTurn, p.Group(), 0
				cfg.OnTurn = func(t runner.Turn) {
					if waiting++; waiting > 3 {
						tasks.WaitAll()
					}
					tasks.Go(func() {
						_, _ = reader{p}.Write([]byte(t.Status.Reason))
						waiting--
					})
					show(t)
				}
			},
		},
	}
}
