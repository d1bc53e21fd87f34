package wire

import (
	"encoding/json"
)

// JSONReply renders a document of the REST/JSON protocol.
func JSONReply(status int, document any) Reply {
	b, err := json.Marshal(document)
	if err != nil {
		// Every document is a struct of this module that the tests render.
		panic("wire: render a JSON answer: " + err.Error())
	}
	return Reply{Status: status, ContentType: "application/json", Body: b}
}

// jsonCodes are the names that JSON services have for errors which the XML
// services call otherwise ("Common Error Types" of the EKS API reference).
var jsonCodes = map[string]string{
	"AccessDenied":               "AccessDeniedException",
	"ExpiredToken":               "ExpiredTokenException",
	"IncompleteSignature":        "IncompleteSignatureException",
	"InternalFailure":            "ServerException",
	"InvalidClientTokenId":       "UnrecognizedClientException",
	"MissingAuthenticationToken": "MissingAuthenticationTokenException",
	"SignatureDoesNotMatch":      "InvalidSignatureException",
	"Throttling":                 "ThrottlingException",
}

// JSONError renders an error as the REST/JSON protocol does: the code in the
// header x-amzn-ErrorType (Smithy specification, "AWS restJson1 protocol").
func JSONError(e *Error) Reply {
	code := e.Code
	if renamed, ok := jsonCodes[code]; ok {
		code = renamed
	}
	r := JSONReply(e.Status, map[string]string{"message": e.Message})
	r.Header = map[string]string{"x-amzn-ErrorType": code}
	return r
}
