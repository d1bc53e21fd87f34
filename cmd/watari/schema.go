package main

import (
	"github.com/spf13/cobra"

	"watari.dev/api/v1alpha1"
)

func newSchema() *cobra.Command {
	return &cobra.Command{
		Use:       "schema [KIND]",
		GroupID:   "try",
		Short:     "The JSON Schema of a whole file, or of one kind, for editors",
		Example:   "  watari schema > watari.schema.json",
		ValidArgs: []string{"Environment", "Migration"},
		Args:      atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			kind := ""
			if len(args) == 1 {
				kind = args[0]
			}
			schema, err := v1alpha1.Schema(kind)
			if err != nil {
				return usage{err}
			}
			_, err = cmd.OutOrStdout().Write(schema)
			return err
		},
	}
}
