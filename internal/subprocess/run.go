package subprocess

import (
	"errors"
	"os/exec"
	"sync"
	"time"
)

// Lingers is how long the output of a program is waited for once it has ended: what it
// has started may hold on to it.
const Lingers = 500 * time.Millisecond

// errOver is why nothing is started any more.
var errOver = errors.New("watari is ending")

// running are the programs that run at present, so that none outlives this process.
var running = struct {
	sync.Mutex
	programs map[*exec.Cmd]bool
	over     bool
}{programs: map[*exec.Cmd]bool{}}

// Run runs a command of exec.CommandContext apart: without a terminal, so that it can
// ask nobody, and as a group that is killed when the command's context is done. Where
// it fails otherwise, End ends what it has left. What a program leaves that succeeded
// may be there on purpose, even if it holds on to the output.
func Run(cmd *exec.Cmd) error {
	apart(cmd)
	cmd.WaitDelay = Lingers
	if err := start(cmd); err != nil {
		return err
	}
	err := cmd.Wait()
	running.Lock()
	delete(running.programs, cmd)
	running.Unlock()
	if errors.Is(err, exec.ErrWaitDelay) { // which only says that something else still holds the output
		return nil
	}
	return err
}

func start(cmd *exec.Cmd) error {
	running.Lock()
	defer running.Unlock()
	if running.over {
		return errOver
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	running.programs[cmd] = true
	return nil
}

// End kills what is left of the group of a command that has run.
func End(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = kill(cmd)
	}
}

// EndAll kills every program that runs, and lets none begin any more. It is for the end
// of this process.
func EndAll() {
	running.Lock()
	defer running.Unlock()
	running.over = true
	for cmd := range running.programs {
		_ = kill(cmd)
	}
}
