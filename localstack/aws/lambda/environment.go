package lambda

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// environment is what a process sees: the function's own variables under
// Lambda's, which cannot be set. Of the host's only PATH and TMPDIR pass; HOME
// does not, so that no configuration of the user's reaches the SDK.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
func environment(f Function, o Options, api, accessKey string) []string {
	all := map[string]string{"LANG": "en_US.UTF-8", "TZ": ":UTC", "PATH": os.Getenv("PATH")}
	if dir, ok := os.LookupEnv("TMPDIR"); ok {
		all["TMPDIR"] = dir
	}
	maps.Copy(all, o.Environment)
	maps.Copy(all, f.Environment)
	maps.Copy(all, credentials(o.Environment, accessKey))
	maps.Copy(all, reserved(f, o, api))
	list := make([]string, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, name+"="+all[name])
	}
	return list
}

// credentials are dummies unless the stack gives some: nothing here checks them,
// but the SDK does not send a request without. The access key of each process is another.
func credentials(given map[string]string, accessKey string) map[string]string {
	trio := map[string]string{
		"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": "local", "AWS_SESSION_TOKEN": "local",
	}
	for name := range trio {
		if value, ok := given[name]; ok {
			trio[name] = value
		}
	}
	return trio
}

// reserved are the variables that Lambda sets whatever the function asks for.
func reserved(f Function, o Options, api string) map[string]string {
	variables := map[string]string{
		"_HANDLER":                        f.Handler,
		"AWS_REGION":                      o.Region,
		"AWS_DEFAULT_REGION":              o.Region,
		"AWS_LAMBDA_FUNCTION_NAME":        f.Name,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(f.MemoryMB),
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + f.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      logStream(o),
		"AWS_LAMBDA_RUNTIME_API":          api,
		"AWS_XRAY_CONTEXT_MISSING":        "LOG_ERROR",
		"AWS_XRAY_DAEMON_ADDRESS":         "127.0.0.1:2000",
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
		"LAMBDA_TASK_ROOT":                filepath.Dir(f.Binary),
		"AWS_LAMBDA_LOG_FORMAT":           f.LogFormat,
	}
	if f.LogFormat == "JSON" {
		variables["AWS_LAMBDA_LOG_LEVEL"] = cmp.Or(f.LogLevel, "INFO")
	}
	if f.PerProcess > 1 {
		variables["AWS_LAMBDA_MAX_CONCURRENCY"] = strconv.Itoa(f.PerProcess)
	}
	return variables
}

// logStream names the log stream of one process.
func logStream(o Options) string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails, see crypto/rand
	return o.Now().UTC().Format("2006/01/02") + "/[$LATEST]" + hex.EncodeToString(id[:])
}
