// Package filestore remembers migrations in a directory: one process at a time
// runs a migration, any number look on, and a crash at any instant leaves the
// last saved record and every acknowledged journal line. Several hosts may share
// the directory if their file system has flock and their clocks agree to a few
// seconds. It never starts anew over a file that it cannot read, and never
// touches files that it does not know.
//
// It trusts what is its user's, root's, or in a shared directory its group's; package
// disk refuses the rest. A refused file is named and hides no other: commands beside a
// refused one are read, and a command can be submitted without the lock and whatever
// is in the place of the directory of commands. The author of a command is the owner of
// its file.
//
// Layout, directories 0700 and files 0600, in a shared directory 2770 and 0660, whatever
// the umask:
//
//	NAME/record.json                the status with its revision and the plan's name, replaced as a whole
//	NAME/plan-HASH.json             the plan, named by what it contains; written when it changes
//	NAME/journal/00000001.jsonl     a segment of the journal, one entry per line; the last one is appended to
//	NAME/journal/00000001.jsonl.gz  a closed segment
//	NAME/journal/lock               taken (flock) while closed segments are made smaller; nobody waits for it
//	NAME/journal.torn               what a crash left of a last line; nobody was told that it was written
//	NAME/commands/                  one file per waiting command, ID.json
//	NAME/commands.refused-N         what was in its place and was moved aside
//	NAME/*.tmp                      what is being written; its name is taken from whatever has it
//	NAME/lease.json                 who runs the migration, and until when
//	NAME/lock                       taken (flock) for the milliseconds of one change, freed by the kernel when its process dies
//
// Who reads takes no lock and changes nothing, so he delays nobody who writes. A torn
// last line is not there yet for him; who appends next moves it away and says so.
//
// A segment is closed when it is full and the next one has begun. Then it is
// compressed, beside itself, and the plain file is removed when the other one is
// durable. In what is older than Journal.Detail counts are merged, except around
// everything else that was written, and what exceeds Journal.Bound is merged further
// or dropped: the oldest counts first, decisions last. All of that happens beside the
// calls, and none of them fails because of it.
//
// Every file says its format and the first version of watari that reads it, at its
// beginning. A directory whose record, or a segment, is of a newer format is refused by
// every call, with that version, and nothing in it is changed. So is a record with
// fields that its format does not have: saving over it would lose them. Journal entries
// may have unknown fields. What the first format has left, a record with the plan in it
// and one journal.jsonl, is read, and becomes the second with the first call that
// writes; a version that reads only the first one refuses it from then on.
//
// What a call that writes has answered is there after a power cut too, whoever made
// the files and directories that it rests on, and however far he came. What was only
// read need not be: who decides on it saves first.
package filestore
