package disk

import (
	"io/fs"
	"strings"
	"testing"
)

const (
	anna, ben, sre, staff = 1001, 1002, 3000, 20
	dirBit                = fs.ModeDir
)

func caller(uid int, groups ...int) self { return self{uid: uid, groups: groups, sudo: nobody} }

func TestRefuseRoot(t *testing.T) {
	shared := dirBit | fs.ModeSetgid | 0o770
	for name, c := range map[string]struct {
		me     self
		mode   fs.FileMode
		uid    int
		gid    int
		says   string // empty: it is used
		shared bool
	}{
		"one's own":                                 {caller(anna), dirBit | 0o700, anna, anna, "", false},
		"one's own, others may look":                {caller(anna), dirBit | 0o755, anna, staff, "", false},
		"one's own, of a private group":             {caller(anna), dirBit | 0o775, anna, anna, "", false},
		"one's own, the group may write":            {caller(anna), dirBit | 0o775, anna, staff, "chmod g-w", false},
		"one's own, everybody may write":            {caller(anna), dirBit | 0o777, anna, anna, "every user may write in it; chmod o-w", false},
		"root's":                                    {caller(anna), dirBit | 0o755, 0, 0, "", false},
		"root's, like /tmp":                         {caller(anna), dirBit | fs.ModeSticky | 0o777, 0, 0, "", false},
		"somebody's, like /tmp":                     {caller(anna), dirBit | fs.ModeSticky | 0o777, ben, ben, "uid 1002", false},
		"somebody's":                                {caller(anna), dirBit | 0o755, ben, anna, "uid 1002; name another", false},
		"somebody's, for root":                      {caller(0), dirBit | 0o755, ben, ben, "sudo -u '#1002' watari", false},
		"who became root by sudo":                   {self{uid: 0, sudo: anna}, dirBit | 0o700, anna, anna, "", false},
		"sudo means nothing for others":             {self{uid: anna, sudo: ben}, dirBit | 0o700, ben, ben, "uid 1002", false},
		"shared, made by root":                      {caller(anna, sre), shared, 0, sre, "", true},
		"shared, made by a member":                  {caller(anna, sre), shared, ben, sre, "", true},
		"shared, with a group of others":            {caller(anna, staff), shared, ben, sre, "group 3000, and you are not a member", true},
		"shared, one's own, with a group of others": {caller(anna, staff), shared, anna, sre, "you are not a member", true},
		"shared, for root":                          {caller(0), shared, ben, sre, "", true},
		"setgid, and everybody may write":           {caller(anna, sre), shared | 0o777, anna, sre, "every user may write", false},
		"setgid, sticky, and everybody may write":   {caller(anna, sre), shared | fs.ModeSticky | 0o777, 0, sre, "", false},
		"setgid, the group may not write":           {caller(anna, sre), dirBit | fs.ModeSetgid | 0o755, anna, sre, "", false},
		"setgid of another, the group may not":      {caller(anna, sre), dirBit | fs.ModeSetgid | 0o755, ben, sre, "uid 1002", false},
	} {
		root := thing{mode: c.mode, uid: c.uid, gid: c.gid}
		p := policyOf(c.me, root)
		if p.shared != c.shared {
			t.Errorf("%s: shared %v", name, p.shared)
		}
		wantRefused(t, name, p.refuseRoot("/state", root), c.says)
	}
}

func wantRefused(t *testing.T, name string, got *RefusedError, says string) {
	t.Helper()
	switch {
	case says == "" && got != nil:
		t.Errorf("%s: %v", name, got)
	case says != "" && (got == nil || !strings.Contains(got.Error(), says) || !strings.HasPrefix(got.Error(), "/state")):
		t.Errorf("%s: %v, want %q", name, got, says)
	}
}

func TestRefuseFile(t *testing.T) {
	private := policy{self: caller(anna), owner: anna, gid: anna}
	shared := policy{self: caller(anna, sre), owner: 0, gid: sre, shared: true}
	sudo := policy{self: self{uid: 0, sudo: anna}, owner: anna, gid: anna}
	for name, c := range map[string]struct {
		p    policy
		file thing
		says string
	}{
		"one's own":                            {private, thing{0o600, anna, anna, 1, 9}, ""},
		"one's own, everybody may read":        {private, thing{0o644, anna, staff, 1, 9}, ""},
		"one's own, a private group may write": {private, thing{0o664, anna, anna, 1, 9}, ""},
		"one's own, a group may write":         {private, thing{0o664, anna, staff, 1, 9}, "chmod go-w"},
		"one's own, everybody may write":       {private, thing{0o606, anna, anna, 1, 9}, "chmod go-w"},
		"root's":                               {private, thing{0o600, 0, 0, 1, 9}, ""},
		"somebody's":                           {private, thing{0o600, ben, anna, 1, 9}, "uid 1002, and the directory is not shared"},
		"another name of one's own":            {private, thing{0o600, anna, anna, 2, 9}, "2 names"},
		"a link":                               {private, thing{fs.ModeSymlink | 0o777, anna, anna, 1, 9}, "a symbolic link"},
		"a pipe":                               {private, thing{fs.ModeNamedPipe | 0o600, anna, anna, 1, 0}, "a named pipe"},
		"a socket":                             {private, thing{fs.ModeSocket | 0o600, anna, anna, 1, 0}, "a socket"},
		"a device":                             {private, thing{fs.ModeDevice | fs.ModeCharDevice | 0o600, 0, 0, 1, 0}, "a device"},
		"a directory":                          {private, thing{fs.ModeDir | 0o700, anna, anna, 2, 0}, "a directory"},
		"something else":                       {private, thing{fs.ModeIrregular, anna, anna, 1, 0}, "unknown kind"},
		"a member's":                           {shared, thing{0o660, ben, sre, 1, 9}, ""},
		"a member's, everybody may write":      {shared, thing{0o666, ben, sre, 1, 9}, "chmod o-w"},
		"a stranger's, moved in":               {shared, thing{0o660, ben, staff, 1, 9}, "uid 1002 and to group 20"},
		"one's own of another group that may not": {shared, thing{0o600, anna, anna, 1, 9}, ""},
		"one's own of another group that may":     {shared, thing{0o660, anna, staff, 1, 9}, "chmod o-w"},
		"the user's, for sudo":                    {sudo, thing{0o600, anna, anna, 1, 9}, ""},
		"another user's, for sudo":                {sudo, thing{0o600, ben, ben, 1, 9}, "uid 1002"},
	} {
		wantRefused(t, name, c.p.refuseFile("/state/f", c.file), c.says)
	}
}

func TestRefuseDir(t *testing.T) {
	private := policy{self: caller(anna), owner: anna, gid: anna}
	shared := policy{self: caller(anna, sre), owner: 0, gid: sre, shared: true}
	for name, c := range map[string]struct {
		p    policy
		dir  thing
		says string
	}{
		"one's own":                      {private, thing{dirBit | 0o700, anna, anna, 3, 0}, ""},
		"one's own, everybody may write": {private, thing{dirBit | fs.ModeSticky | 0o777, anna, anna, 3, 0}, "chmod go-w"},
		"somebody's":                     {private, thing{dirBit | 0o755, ben, ben, 3, 0}, "uid 1002"},
		"a file":                         {private, thing{0o600, anna, anna, 1, 0}, "a file, not a directory"},
		"a link":                         {private, thing{fs.ModeSymlink | 0o777, anna, anna, 1, 0}, "a symbolic link, not a directory"},
		"a pipe":                         {private, thing{fs.ModeNamedPipe | 0o600, anna, anna, 1, 0}, "a named pipe, not a directory"},
		"a member's":                     {shared, thing{dirBit | fs.ModeSetgid | 0o770, ben, sre, 3, 0}, ""},
		"a stranger's":                   {shared, thing{dirBit | 0o755, ben, ben, 3, 0}, "uid 1002 and to group 1002"},
	} {
		wantRefused(t, name, c.p.refuseDir("/state/d", c.dir), c.says)
	}
}
