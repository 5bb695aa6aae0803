// Renders a Helm chart as `helm template` does, as far as the charts of this repository need it: Go's text/template,
// sprig, and Helm's own include, tpl, required, fail, toYaml, fromYaml, toJson and lookup (which finds nothing).
//
// Use: render CHART_FOLDER, with {"values": {...}, "release": "name", "namespace": "name"} on standard input. Values
// are laid over values.yaml of the chart. Writes a JSON object from template names to rendered text.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"gopkg.in/yaml.v3"
)

type request struct {
	Values    map[string]interface{} `json:"values"`
	Release   string                 `json:"release"`
	Namespace string                 `json:"namespace"`
}

func main() {
	rendered, err := render(os.Args[1], os.Stdin)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(rendered)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func render(folder string, input io.Reader) (map[string]string, error) {
	var asked request
	if err := json.NewDecoder(input).Decode(&asked); err != nil {
		return nil, err
	}
	values := map[string]interface{}{}
	if err := readYaml(filepath.Join(folder, "values.yaml"), &values); err != nil {
		return nil, err
	}
	chart := map[string]interface{}{}
	if err := readYaml(filepath.Join(folder, "Chart.yaml"), &chart); err != nil {
		return nil, err
	}
	layOver(values, asked.Values)

	all := template.New(folder).Option("missingkey=zero")
	all.Funcs(functions(all))
	paths, err := filepath.Glob(filepath.Join(folder, "templates", "*"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if _, err := all.New(filepath.Base(path)).Parse(string(text)); err != nil {
			return nil, err
		}
	}
	context := map[string]interface{}{
		"Values": values,
		"Chart": map[string]interface{}{
			"Name": chart["name"], "Version": chart["version"], "AppVersion": chart["appVersion"],
		},
		"Release": map[string]interface{}{
			"Name": asked.Release, "Namespace": asked.Namespace, "Service": "Helm", "IsInstall": true,
		},
		"Files":    files(folder),
		"Template": map[string]interface{}{"BasePath": "templates"},
	}
	rendered := map[string]string{}
	for _, path := range paths {
		name := filepath.Base(path)
		if strings.HasPrefix(name, "_") {
			continue
		}
		var out strings.Builder
		if err := all.ExecuteTemplate(&out, name, context); err != nil {
			return nil, err
		}
		// Helm prints a missing value as nothing, text/template as this.
		rendered[name] = strings.ReplaceAll(out.String(), "<no value>", "")
	}
	return rendered, nil
}

type files string

// Get is the text of a file of the chart, or nothing.
func (folder files) Get(name string) string {
	text, err := os.ReadFile(filepath.Join(string(folder), name))
	if err != nil {
		return ""
	}
	return string(text)
}

func functions(all *template.Template) template.FuncMap {
	found := sprig.TxtFuncMap()
	delete(found, "env")
	delete(found, "expandenv")
	found["include"] = func(name string, data interface{}) (string, error) {
		var out strings.Builder
		err := all.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	found["tpl"] = func(text string, data interface{}) (string, error) {
		clone, err := all.Clone()
		if err != nil {
			return "", err
		}
		parsed, err := clone.New("tpl").Parse(text)
		if err != nil {
			return "", err
		}
		var out strings.Builder
		err = parsed.Execute(&out, data)
		return out.String(), err
	}
	found["required"] = func(message string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return nil, errors.New(message)
		}
		return value, nil
	}
	found["fail"] = func(message string) (string, error) { return "", errors.New(message) }
	found["lookup"] = func(...string) map[string]interface{} { return map[string]interface{}{} }
	found["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	found["fromYaml"] = func(text string) (map[string]interface{}, error) {
		value := map[string]interface{}{}
		err := yaml.Unmarshal([]byte(text), &value)
		return value, err
	}
	return found
}

func readYaml(path string, into interface{}) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return yaml.Unmarshal(text, into)
}

// Lays values over defaults: tables are merged, null takes a default away, all else replaces.
func layOver(defaults, values map[string]interface{}) {
	for key, value := range values {
		table, isTable := value.(map[string]interface{})
		below, wasTable := defaults[key].(map[string]interface{})
		switch {
		case value == nil:
			delete(defaults, key)
		case isTable && wasTable:
			layOver(below, table)
		default:
			defaults[key] = value
		}
	}
}
