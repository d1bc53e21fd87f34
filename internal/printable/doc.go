// Package printable makes text from outside safe for a terminal: what a server, a
// file or another user says must not move the cursor, recolour, hide or add lines.
// Line makes one line of any text. The printing functions make every argument a
// line of its own, so that only their formats, which are ours, can begin another.
// Writer is the last resort below all commands: no control character leaves it but
// those of Writer.Control. What was replaced is shown as an escape, such as \x1b.
package printable
