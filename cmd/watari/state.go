package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"watari.dev/store"
	"watari.dev/store/filestore"
)

// stateFlags say where migrations are remembered.
type stateFlags struct{ dir string }

func (f *stateFlags) register(root *cobra.Command) {
	root.PersistentFlags().StringVar(&f.dir, "state", "", "directory that remembers migrations (default $WATARI_STATE, then $XDG_STATE_HOME/watari, then ~/.local/state/watari); yours alone, or shared with a group if it is setgid and writable by it")
}

// open returns the store, whose journals are left as they are unless options say
// otherwise.
func (f *stateFlags) open(options ...filestore.Option) (*filestore.Store, error) {
	dir, err := f.path()
	if err != nil {
		return nil, err
	}
	return filestore.New(dir, append([]filestore.Option{keepsAll()}, options...)...), nil
}

func (f *stateFlags) path() (string, error) {
	if f.dir != "" {
		return filepath.Abs(f.dir)
	}
	if dir := os.Getenv("WATARI_STATE"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) { // others are not valid (XDG Base Directory Specification)
		return filepath.Join(dir, "watari"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("find the directory that remembers migrations: neither --state, $WATARI_STATE, $XDG_STATE_HOME nor $HOME says; name one with --state")
	}
	return filepath.Join(home, ".local", "state", "watari"), nil
}

// holder says who this process is.
func holder() store.Holder {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	now := time.Now()
	return store.Holder{ID: fmt.Sprintf("%s/%d/%d", host, os.Getpid(), now.UnixNano()), User: userName(), Host: host, PID: os.Getpid(), Since: now}
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "user " + strconv.Itoa(os.Getuid())
}

// operator names this user and host in the journal.
func operator() string {
	h := holder()
	return h.User + "@" + h.Host
}
