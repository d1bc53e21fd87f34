// Package plan says what a file means: the resolved migration as plain data that
// can be stored, what it will do, what each step costs and how fast there is a
// way back. It is pure; drivers and clusters are asked elsewhere and their
// answers are handed in. Nothing here sets a default that the user did not see
// documented in api/v1alpha1.
package plan
