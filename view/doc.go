// Package view writes what people read in a terminal: the plan, the live frame,
// plain lines, the status, the events as JSON. It is pure: data in, lines out; it
// neither asks nor decides anything. Sentences are calm, every end names the next
// command, and nothing is told by colour alone.
package view
