package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/tracelens/tracelens/analysis"
)

// SchemaURL is where editors find the schema of the newest version.
const SchemaURL = "https://raw.githubusercontent.com/tracelens/tracelens/main/tracelens.schema.json"

type object = map[string]any

// schemas makes the schema of each key for a catalogue.
type schemas struct {
	catalogue []*analysis.Analyzer
}

// Schema is the JSON schema of the file, for editors, from the keys that the parser
// knows and the catalogue.
func Schema(catalogue []*analysis.Analyzer) ([]byte, error) {
	s := &schemas{catalogue}
	properties := object{}
	for _, k := range keys {
		p := k.schema(s)
		p["description"] = k.doc
		properties[k.name] = p
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(object{
		"$schema":              "http://json-schema.org/draft-07/schema#",
		"$id":                  SchemaURL,
		"title":                FileName,
		"description":          "Which checks of tracelens run, at which values they fire, and which findings are accepted.",
		"type":                 []string{"object", "null"},
		"properties":           properties,
		"additionalProperties": false,
		"definitions":          s.unitSchemas(),
	})
	return b.Bytes(), err
}

func presetSchema(*schemas) object {
	var names, docs []string
	for _, p := range presets {
		names = append(names, p.Name)
		docs = append(docs, p.Name+": "+p.Doc)
	}
	return object{"enum": names, "default": presets[0].Name, "enumDescriptions": docs}
}

func thresholdsSchema(s *schemas) object {
	properties := object{}
	for _, a := range s.catalogue {
		for _, t := range Default().Thresholds(a) {
			properties[t.Name] = object{
				"description": fmt.Sprintf("%s. Default: %s. Source: %s.", strings.TrimSuffix(t.Doc, "."), t.Threshold.Describe(nil), strings.TrimSuffix(t.Source, ".")),
				"allOf":       []object{{"$ref": "#/definitions/levels_" + string(t.Unit)}}, // beside a $ref nothing else counts
			}
		}
	}
	return object{"type": "object", "properties": properties, "additionalProperties": false}
}

// unitSchemas has a value and its levels for each unit that thresholds have.
func (s *schemas) unitSchemas() object {
	definitions := object{}
	for _, a := range s.catalogue {
		for _, t := range a.Thresholds {
			value := object{"$ref": "#/definitions/" + string(t.Unit)}
			levels := object{}
			for _, s := range analysis.Severities {
				levels[string(s)] = value
			}
			definitions[string(t.Unit)] = valueSchema(t.Unit)
			definitions["levels_"+string(t.Unit)] = object{
				"anyOf": []object{value, {"type": "object", "properties": levels, "additionalProperties": false}},
			}
		}
	}
	return definitions
}

func valueSchema(u analysis.Unit) object {
	as := []object{{"enum": []any{never, 0}}}
	if how := units[u]; how.pattern != "" {
		as = append(as, object{"type": "string", "pattern": how.pattern, "examples": []string{how.example}})
	}
	if u != analysis.NS && u != analysis.Moment {
		as = append(as, object{"type": "number", "minimum": 0})
	}
	return object{"anyOf": as}
}

func severitiesSchema(s *schemas) object {
	level := object{"enum": levelNames()}
	properties := object{}
	var names []string
	for _, a := range s.catalogue {
		for _, name := range finders([]*analysis.Analyzer{a}) {
			names = append(names, regexp.QuoteMeta(name))
			properties[name] = object{"enum": levelNames(), "description": a.Title()}
		}
	}
	return object{
		"type": "object", "properties": properties, "additionalProperties": false,
		"patternProperties": object{"^(" + strings.Join(names, "|") + ")/.": level},
	}
}

func suppressionsSchema(*schemas) object {
	properties := object{}
	for _, k := range suppressionKeys {
		properties[k.name] = object{"type": "string", "minLength": 1, "description": k.doc}
	}
	properties["expires"].(object)["pattern"] = `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`
	var oneOf []object
	for _, name := range []string{"code", "function", "file"} {
		oneOf = append(oneOf, object{"required": []string{name}})
	}
	return object{"type": "array", "items": object{
		"type": "object", "properties": properties, "additionalProperties": false,
		"required": []string{"reason"}, "anyOf": oneOf,
	}}
}

func requestsSchema(*schemas) object {
	return object{"type": "array", "items": object{
		"type": "object", "additionalProperties": false, "required": []string{requestKey},
		"properties": object{requestKey: object{"type": "string", "minLength": 3, "description": "a function as stacks name it, such as main.(*Server).handle: each call is a request, from the end of the wait before it"}},
	}}
}
