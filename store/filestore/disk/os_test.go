package disk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func onlyRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
}

// below returns a disk of a state directory that is there, in a directory of a mode.
func below(t *testing.T, above fs.FileMode) (*system, string) {
	t.Helper()
	outer := filepath.Join(t.TempDir(), "above")
	root := filepath.Join(outer, "state")
	if err := errors.Join(os.Mkdir(outer, 0o700), os.Mkdir(root, 0o700), os.Chmod(outer, above)); err != nil {
		t.Fatal(err)
	}
	return OS(root).(*system), root
}

func TestDirectoriesAbove(t *testing.T) {
	for name, c := range map[string]struct {
		above fs.FileMode
		owner int // of the state directory
		says  string
	}{
		"only its owner may write":               {0o755, nobody, ""},
		"its group may write":                    {0o775, nobody, ""},
		"everybody may write":                    {0o777, nobody, "every user may write in "},
		"everybody may write, with a sticky bit": {fs.ModeSticky | 0o777, nobody, ""},
		"somebody has put a shared one there":    {fs.ModeSticky | 0o777, ben, "is somebody else's"},
		"a shared one where nobody else could":   {0o755, ben, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, root := below(t, c.above)
			if c.owner != nobody {
				onlyRoot(t)
				if err := errors.Join(os.Chown(root, c.owner, sre), os.Chmod(root, fs.ModeSetgid|0o770)); err != nil {
					t.Fatal(err)
				}
			}
			_, err := d.ReadDir(root)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), root) || !strings.Contains(err.Error(), "--state")) {
				t.Errorf("%v, want %q", err, c.says)
			}
			if c.owner == nobody { // as is said of one that is yet to be made
				if err := os.Remove(root); err != nil {
					t.Fatal(err)
				}
				err := OS(root).Mkdir(root)
				if _, made := os.Stat(root); (err == nil) != (c.says == "") || (made == nil) != (err == nil) {
					t.Errorf("mkdir: %v, want %q", err, c.says)
				}
			}
		})
	}
}

// TestTheStateDirectoryMayBeALink that the user has named, to one that is in order.
func TestTheStateDirectoryMayBeALink(t *testing.T) {
	_, root := below(t, 0o755)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(root, link); err != nil {
		t.Fatal(err)
	}
	d := OS(link)
	f, err := d.Create(filepath.Join(link, "f"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if there, err := OS(root).Exists(filepath.Join(root, "f")); err != nil || !there {
		t.Errorf("%v, %v", there, err)
	}
	if err := os.Chmod(root, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadDir(link); err == nil || !strings.Contains(err.Error(), "every user may write in it") {
		t.Errorf("a link to one that is not in order: %v", err)
	}
}

func TestNothingOutsideIsOpened(t *testing.T) {
	d, root := below(t, 0o755)
	for _, path := range []string{root, filepath.Dir(root), filepath.Join(root, "..", "f"), root + "-beside/f"} {
		if _, err := d.Append(path); !errors.Is(err, errOutside) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(filepath.Dir(root), "f")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was made outside: %v", err)
	}
}

// TestWhoLeftTheGroup is not an author any more; what they have saved can be read.
func TestWhoLeftTheGroup(t *testing.T) {
	onlyRoot(t)
	d, root := below(t, 0o755)
	path := filepath.Join(root, "f")
	err := errors.Join(os.Chown(root, 0, sre), os.Chmod(root, fs.ModeSetgid|0o770), os.WriteFile(path, []byte("x"), 0o640), os.Chown(path, ben, sre))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		known  person
		err    error
		says   string
		author string
	}{
		"a member":                    {person{"ben", []int{staff, sre}}, nil, "", "ben (uid 1002)"},
		"who has left":                {person{"ben", []int{staff}}, nil, "it is by ben (uid 1002), who is not in group 3000", ""},
		"whose groups nobody knows":   {person{"ben", nil}, nil, "", "ben (uid 1002)"},
		"whom the system has no name": {person{}, errNobody, "", "uid 1002"},
	} {
		d.people.asked = map[int]*answer{}
		d.people.lookup = func(int) (person, error) { return c.known, c.err }
		b, author, err := d.ReadSigned(path, 9)
		if c.says == "" && (err != nil || string(b) != "x" || author.String() != c.author) || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || b != nil) {
			t.Errorf("%s: %q by %s, %v; want %q", name, b, author, err, c.says)
		}
		if _, err := d.ReadFile(path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Chmod(path, 0o660); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.ReadSigned(path, 9); err == nil || !strings.Contains(err.Error(), "may have been written by any of group 3000") {
		t.Errorf("what every member may write to has an author: %v", err)
	}
}

// TestASlowUserDatabaseIsNotWaitedFor: it may be a server that is down.
func TestASlowUserDatabaseIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, answers := 0, make(chan person)
		p := &people{asked: map[int]*answer{}, lookup: func(int) (person, error) { asked++; return <-answers, nil }}
		began := time.Now()
		for range 5 {
			if got := p.who(anna); got.name != "" {
				t.Errorf("got %+v and nobody has answered", got)
			}
		}
		if took := time.Since(began); took != askPatience || asked != 1 {
			t.Errorf("asked %d times for %s, want once for %s", asked, took, askPatience)
		}
		answers <- person{name: "anna", groups: []int{sre}}
		synctest.Wait()
		if got := p.who(anna); got.name != "anna" || got.left(sre) || !got.left(staff) || asked != 1 {
			t.Errorf("got %+v, asked %d times", got, asked)
		}
		time.Sleep(answerLasts + time.Second)
		go func() { answers <- person{name: "anna", groups: []int{staff}} }()
		if got := p.who(anna); !got.left(sre) || asked != 2 {
			t.Errorf("got %+v, asked %d times: what is known must not be kept for ever", got, asked)
		}
	})
}

func TestLookup(t *testing.T) {
	if got, err := lookup(0); err != nil || got.name != "root" || got.left(0) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := lookup(59_999); !errors.Is(err, errNobody) || got.left(0) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestLockIsHadByOne(t *testing.T) {
	d, root := below(t, 0o755)
	unlock, err := d.Lock(t.Context(), filepath.Join(root, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Lock(ctx, filepath.Join(root, "lock")); !errors.Is(err, ErrLocked) {
		t.Errorf("two have it: %v", err)
	}
	unlock()
}
