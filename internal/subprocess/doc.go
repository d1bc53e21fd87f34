// Package subprocess runs the programs of others that watari asks for credentials: in a
// session of their own, without a terminal, as a group that is ended as a whole. Of
// what they write to their standard error the end is kept, safe to be shown: on one
// line, without control characters, and with secrets masked.
package subprocess
