{{/* Labels of all objects; takes the root context and a component. */}}
{{- define "packetflix.labels" -}}
{{ include "packetflix.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels that select the pods of a component: they never change. */}}
{{- define "packetflix.selector" -}}
app.kubernetes.io/name: packetflix
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "packetflix.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "packetflix.secret" -}}
{{ .Values.secret.existing | default .Release.Name }}
{{- end }}

{{/* The probes are served at a port of their own, where no token is needed. */}}
{{- define "packetflix.probes" -}}
startupProbe:
  httpGet:
    path: /healthz
    port: operator
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /healthz
    port: operator
  periodSeconds: 20
  timeoutSeconds: 5
readinessProbe:
  httpGet:
    path: /readyz
    port: operator
  periodSeconds: 10
  timeoutSeconds: 5
{{- end }}

{{/* Options that a user adds, as environment variables; they come last and win. */}}
{{- define "packetflix.options" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}
