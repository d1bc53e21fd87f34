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
//	NAME/record.json    the record and its revision, replaced as a whole
//	NAME/journal.jsonl  one entry per line, appended
//	NAME/journal.torn   what a crash left of a last line; nobody was told that it was written
//	NAME/commands/      one file per waiting command, ID.json
//	NAME/commands.refused-N  what was in its place and was moved aside
//	NAME/*.tmp          what is being written; its name is taken from whatever has it
//	NAME/lease.json     who runs the migration, and until when
//	NAME/lock           taken (flock) for the milliseconds of one change, freed by the kernel when its process dies
//
// A record written by a newer watari (a higher format number) is refused, and so
// is a record with fields that its format does not have: saving over it would
// lose them. Journal entries may have unknown fields, because lines are never
// written again.
//
// What a call that writes has answered is there after a power cut too, whoever made
// the files and directories that it rests on, and however far he came. What was only
// read need not be: who decides on it saves first.
package filestore
