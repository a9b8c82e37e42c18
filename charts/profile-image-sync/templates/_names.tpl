{{- /* How things are called, and what is said in more than one place. */ -}}

{{- define "profile-image-sync.fullname" -}}
{{- $name := contains .Chart.Name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) -}}
{{- .Values.fullnameOverride | default $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* The component keeps a run's pod apart whose resource is called like the release. */ -}}
{{- define "profile-image-sync.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "profile-image-sync.labels" -}}
{{ include "profile-image-sync.selector" . }}
app.kubernetes.io/part-of: {{ .Chart.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "profile-image-sync.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- /* OperatorSettings in operator/profile_image_sync/controller/installation.py; what is left out has its default there. */ -}}
{{- define "profile-image-sync.settings" -}}
{{- $settings := dict
  "workerImage" (.Values.worker.image | default (include "profile-image-sync.image" .))
  "workerImagePullPolicy" .Values.image.pullPolicy
  "allow" .Values.allow
  "watchNamespaces" .Values.watch.namespaces
  "resyncSeconds" .Values.resyncSeconds
  "leaderNamespace" .Release.Namespace
  "leaderLease" (include "profile-image-sync.fullname" .)
-}}
{{- range $key := list "podLabels" "podAnnotations" "priorityClassName" "affinity" "env" "volumes" "volumeMounts" -}}
{{- with get $.Values.worker $key -}}
{{- $_ := set $settings $key . -}}
{{- end -}}
{{- end -}}
{{- with .Values.worker.imagePullSecrets -}}
{{- $names := list -}}
{{- range . -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- $_ := set $settings "imagePullSecrets" $names -}}
{{- end -}}
{{- toPrettyJson $settings -}}
{{- end -}}
