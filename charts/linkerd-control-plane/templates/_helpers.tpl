{{- /* Labels of every object. */ -}}
{{- define "linkerd.labels" -}}
linkerd.io/control-plane-ns: {{ .Release.Namespace }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "linkerd.version" -}}
{{ default .Chart.AppVersion .Values.linkerdVersion }}
{{- end -}}

{{- define "linkerd.createdBy" -}}
linkerd.io/created-by: linkerd/cli {{ include "linkerd.version" . }}
{{- end -}}

{{- /* What the pods of all deployments have in common. */ -}}
{{- define "linkerd.pod" -}}
nodeSelector:
  {{- toYaml .Values.nodeSelector | nindent 2 }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "linkerd.container" -}}
image: {{ .Values.controllerImage }}:{{ include "linkerd.version" . }}
imagePullPolicy: {{ .Values.imagePullPolicy }}
env:
- name: LINKERD_NAMESPACE
  value: {{ .Release.Namespace }}
- name: LINKERD_LOG
  value: {{ .Values.controllerLogLevel }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  runAsUser: {{ .Values.controllerUID }}
  {{- if ge (int .Values.controllerGID) 0 }}
  runAsGroup: {{ .Values.controllerGID }}
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.controllerResources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* Probes of an admin port, which is named by its caller. */ -}}
{{- define "linkerd.probes" -}}
livenessProbe:
  httpGet: {path: /live, port: {{ . }}}
  initialDelaySeconds: 10
readinessProbe:
  httpGet: {path: /ready, port: {{ . }}}
  failureThreshold: 7
  periodSeconds: 2
{{- end -}}

{{- define "linkerd.config.volumes" -}}
- name: config
  configMap: {name: linkerd-config}
- name: trust-roots
  configMap: {name: linkerd-identity-trust-roots}
{{- end -}}

{{- define "linkerd.config.mounts" -}}
- name: config
  mountPath: /var/run/linkerd/config
- name: trust-roots
  mountPath: /var/run/linkerd/identity/trust-roots
{{- end -}}
