"""Writes templates.json: what transformers' chat-template environment renders, for our own interpreter to repeat.

    python tests/oracle/templates_oracle.py [output.json [random pairs [seed]]]

Needs jinja2 and transformers. The templates are written for this test; each has the constructs of one family of models.
"""

import json
import random
import re
import sys
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

TEMPLATES = {}

TEMPLATES["chatml_default_system"] = """\
{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You answer as briefly as you can.<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}
"""

TEMPLATES["header_ids_and_date"] = """\
{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not tools_in_user_message is defined %}
    {%- set tools_in_user_message = true %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined and use_clock is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "01 Feb 2025" %}
    {%- endif %}
{%- endif %}
{#- The first message may be the system prompt. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|head|>system<|tail|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: shell\\n" }}
{%- endif %}
{{- "Knowledge ends: never\\nToday: " + date_string + "\\n\\n" }}
{%- if tools is not none and not tools_in_user_message %}
    {{- "You may call these functions:\\n\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot|>" }}
{%- if tools_in_user_message and not tools is none %}
    {%- if messages | length != 0 %}
        {%- set first_user_message = messages[0]['content']|trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("Tools need a first user message to stand in!") }}
    {%- endif %}
    {{- '<|head|>user<|tail|>\\n\\nAnswer with a call of one of:\\n' -}}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
    {{- first_user_message + "<|eot|>"}}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|head|>' + message['role'] + '<|tail|>\\n\\n'+ message['content'] | trim + '<|eot|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("One call at a time!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|head|>assistant<|tail|>\\n\\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|head|>ipython<|tail|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|head|>assistant<|tail|>\\n\\n' }}
{%- endif %}
"""

TEMPLATES["chatml_with_tools"] = """\
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are a careful helper.' }}
    {%- endif %}
    {{- "\\n\\n# Functions\\n\\nSignatures inside <tools></tools>:\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools>\\n\\nReply with\\n<tool_call>\\n{\\"name\\": <name>, \\"arguments\\": <object>}\\n</tool_call><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou are a careful helper.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- message.content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

TEMPLATES["thinking_split"] = """\
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\\n' }}
                {%- endif %}
                {%- if tool_call.function %}
                    {%- set tool_call = tool_call.function %}
                {%- endif %}
                {{- '<tool_call>\\n{"name": "' }}
                {{- tool_call.name }}
                {{- '", "arguments": ' }}
                {%- if tool_call.arguments is string %}
                    {{- tool_call.arguments }}
                {%- else %}
                    {{- tool_call.arguments | tojson }}
                {%- endif %}
                {{- '}\\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""

TEMPLATES["strict_alternation"] = """\
{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}
{% for message in loop_messages %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Roles must go user, assistant, user, assistant') }}
{% endif %}
{% if loop.index0 == 0 and system_message != false %}
{% set content = system_message + '\\n\\n' + message['content'] %}
{% else %}
{% set content = message['content'] %}
{% endif %}
{% if message['role'] == 'user' %}
{{ '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}
{{ ' ' + content.strip() + eos_token }}{% endif %}
{% endfor %}
"""

TEMPLATES["model_role"] = """\
{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\\n\\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\\n\\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}
                {{ '<image>' }}
            {%- elif item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model\\n'}}
{%- endif -%}
"""

TEMPLATES["role_tags"] = """\
{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{'<|system|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'user' %}{{'<|user|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>
' + message['content'] + '<|end|>
'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>
' }}{% else %}{{ eos_token }}{% endif %}"""

TEMPLATES["sys_in_first_user"] = """\
{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}
{% elif use_default_prompt|default(false) and not '<<SYS>>' in messages[0]['content'] %}{% set loop_messages = messages %}{% set system_message = 'Be kind.' %}
{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}
{% for message in loop_messages %}
    {% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Not alternating!') }}{% endif %}
    {% if loop.index0 == 0 and system_message != false %}
        {% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}
    {% else %}{% set content = message['content'] %}{% endif %}
    {% if message['role'] == 'user' %}
        {{- bos_token + '[INST] ' + content.strip() + ' [/INST]' -}}
    {% elif message['role'] == 'system' %}
        {{- '<<SYS>>\\n' + content.strip() + '\\n<</SYS>>\\n\\n' -}}
    {% elif message['role'] == 'assistant' %}
        {{- ' '  + content.strip() + ' ' + eos_token -}}
    {% endif %}
{% endfor %}
"""

TEMPLATES["roles_and_documents"] = """\
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set system_message = "Known up to: yesterday." %}
    {%- if tools and documents %}
        {%- set system_message = system_message + " Use tools and documents." %}
    {%- elif tools %}
        {%- set system_message = system_message + " Use tools." %}
    {%- elif documents %}
        {%- set system_message = system_message + " Use documents." %}
    {%- endif %}
    {%- if 'citations' in controls and documents %}
        {%- set system_message = system_message + '\\n\\nCite.' %}
    {%- endif %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- '<|r|>system<|/r|>' + system_message + '<|e|>\\n' }}
{%- if tools %}
    {{- '<|r|>tools<|/r|>' }}
    {{- tools | tojson(indent=2) }}
    {{- '<|e|>\\n' }}
{%- endif %}
{%- if documents %}
    {{- '<|r|>documents<|/r|>' }}
    {%- for document in documents %}
        {{- 'Document ' + loop.index | string + '\\n' }}
        {{- document['text'] }}
        {%- if not loop.last %}
            {{- '\\n\\n' }}
        {%- endif %}
    {%- endfor %}
    {{- '<|e|>\\n' }}
{%- endif %}
{%- for message in loop_messages %}
    {{- '<|r|>' + message['role'] + '<|/r|>' + message['content'] + '<|e|>\\n' }}
    {%- if loop.last and add_generation_prompt %}
        {{- '<|r|>assistant' }}
        {%- if controls %}
            {{- ' ' + controls | tojson()}}
        {%- endif %}
        {{- '<|/r|>' }}
    {%- endif %}
{%- endfor %}
"""

TEMPLATES["last_turn_open"] = """\
{{ bos_token }}{% for message in messages %}
{% if message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + '\\n' }}
{% elif message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + '\\n' }}
{% elif message['role'] == 'assistant' %}
{% if not loop.last %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token + '\\n' }}
{% else %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token }}
{% endif %}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>\\n' }}
{% endif %}
{% endfor %}
"""

TEMPLATES["schema_macros"] = """\
{% macro json_to_type(spec) %}
    {%- set basic = {"string": "str", "number": "float", "integer": "int", "boolean": "bool"} %}
    {%- if basic[spec.type] is defined %}
        {{- basic[spec.type] }}
    {%- elif spec.type == "array" %}
        {{- "List[" + json_to_type(spec['items']) + "]" }}
    {%- elif spec.type == "object" %}
        {%- if spec.additionalProperties is defined %}
            {{- "Dict[str, " + json_to_type(spec.additionalProperties) + ']' }}
        {%- else %}
            {{- "Dict" }}
        {%- endif %}
    {%- elif spec.type is iterable and spec.type is not string %}
        {{- "Union[" }}
        {%- for t in spec.type %}
            {{- json_to_type({"type": t}) }}
            {%- if not loop.last %}{{- "," }}{%- endif %}
        {%- endfor %}
        {{- "]" }}
    {%- else %}
        {{- "Any" }}
    {%- endif %}
{%- endmacro %}
{%- macro signature(tool, prefix="def ", optional_mark=" = None") -%}
    {%- set f = tool.function if tool.function is defined else tool -%}
    {{ prefix }}{{ f.name }}(
    {%- for name, spec in f.parameters.properties.items() -%}
        {{ name }}: {{ json_to_type(spec) }}
        {%- if name not in f.parameters.required %}{{ optional_mark }}{% endif %}
        {%- if not loop.last %}, {% endif %}
    {%- endfor -%}
    )
{%- endmacro %}
{{- bos_token }}
{%- if tools %}
## Tools
{% for tool in tools %}
{{ signature(tool, optional_mark=" = ?") }}
{% endfor %}
{% endif %}
{%- for message in messages %}
    {{- '<|' ~ message.role | upper ~ '|>' ~ (message.content or '') }}
    {%- for call in message.tool_calls or [] %}
{{ call.function.name }}({% for k, v in call.function.arguments | dictsort %}{{ k }}={{ v | tojson }}{{ ', ' if not loop.last }}{% endfor %})
    {%- endfor %}
{% endfor %}
"""

TEMPLATES["namespace_tools"] = """\
{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}{{'<|User|>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' and message['content'] is none %}{%- set ns.is_tool = false -%}{%- for tool in message['tool_calls']%}{%- if not ns.is_first %}{{'<|Assistant|><|calls|><|call|>' + tool['type'] + '<|sep|>' + tool['function']['name'] + '\\n' + '```json' + '\\n' + tool['function']['arguments'] | tojson + '\\n' + '```' + '<|/call|>'}}{%- set ns.is_first = true -%}{%- else %}{{'\\n' + '<|call|>' + tool['type'] + '<|sep|>' + tool['function']['name'] + '<|/call|>'}}{{'<|/calls|><|eos|>'}}{%- endif %}{%- endfor %}{%- endif %}{%- if message['role'] == 'assistant' and message['content'] is not none %}{%- if ns.is_tool %}{{'<|/outputs|>' + message['content'] + '<|eos|>'}}{%- set ns.is_tool = false -%}{%- else %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{'<|Assistant|>' + content + '<|eos|>'}}{%- endif %}{%- endif %}{%- if message['role'] == 'tool' %}{%- set ns.is_tool = true -%}{%- if ns.is_output_first %}{{'<|outputs|><|output|>' + message['content'] + '<|/output|>'}}{%- set ns.is_output_first = false %}{%- else %}{{'\\n<|output|>' + message['content'] + '<|/output|>'}}{%- endif %}{%- endif %}{%- endfor -%}{% if ns.is_tool %}{{'<|/outputs|>'}}{% endif %}{% if add_generation_prompt and not ns.is_tool %}{{'<|Assistant|>'}}{% endif %}"""

TEMPLATES["generation_marks"] = """\
{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {{- '<a>' }}{% generation %}{{ message.content }}</a>
        {%- endgeneration %}

    {%- else %}
        {{- '<' ~ message.role[0] ~ '>' ~ message.content ~ '</' ~ message.role[:1] ~ '>' }}
    {%- endif %}
{%- endfor %}
{{- '<a>' if add_generation_prompt }}"""

TEMPLATES["filters_and_blocks"] = """\
{%- set users = messages | selectattr('role', 'equalto', 'user') | list -%}
{%- set others = messages | rejectattr('role', 'in', ['user', 'system']) | map(attribute='content') | list -%}
Users: {{ users | length }}, first: {{ (users | first).content | default('-') if users else '?' }}
Roles: {{ messages | map(attribute='role') | unique | join(', ') }} / {{ messages | map(attribute='role') | map('upper') | join('-') }}
{% set summary %}
  {% for m in messages if m.role != 'system' %}
{{ loop.index }}/{{ loop.length }} {{ m.role | capitalize }}{% if loop.nextitem is defined %} -> {{ loop.nextitem.role }}{% endif %}{% if loop.previtem %} <- {{ loop.previtem.role }}{% endif %};
  {% else %}
nobody
  {% endfor %}
{% endset %}
[{{ summary | trim | indent(2) }}]
Others: {{ others }} {{ others | tojson }} {{ others | reverse | list }}
{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}{% if loop.index0 > 2 %}{% break %}{% endif %}{{ loop.revindex }}:{{ loop.revindex0 }}:{{ loop.cycle('odd', 'even') }} {% endfor %}
{% filter upper | replace('A', '4') %}said: {{ (messages | last).content }}{% endfilter %}
{% macro wrap(tag) %}<{{ tag }}>{{ caller() }}</{{ tag }}>{% endmacro %}
{% call wrap('q') %}{{ messages[0].content }}{% endcall %}
{% with a = 1, b = messages | length %}{{ a + b }}{% endwith %}
{% raw %}{{ not rendered }} {% endraw %}
{{ extra | dictsort if extra is defined else 'no extra' }}
{{- '' -}}   
{{ messages[-1].role.title() }} {{ messages[-1]['content'].split()[:2] }} {{ messages[0]['content'][::-1] }}
"""

TEMPLATES["content_lists"] = """\
{%- macro text_of(content) -%}
    {%- if content is none -%}
    {%- elif content is string -%}
        {{ content }}
    {%- else -%}
        {%- for part in content -%}
            {%- if part is string -%}{{ part }}
            {%- elif part.type == 'text' -%}{{ part.text }}
            {%- elif 'image' in part or part.type in ('image', 'image_url') -%}<image {{ loop.index }}>
            {%- else -%}{{ raise_exception('unknown part: ' ~ part.type) }}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
{%- for m in messages -%}
    {%- if m.role not in ['system', 'user', 'assistant', 'tool'] -%}
        {{ raise_exception('unknown role ' + m.role) }}
    {%- endif -%}
    {{ '<s>' ~ m['role'] ~ ': ' ~ text_of(m.content) | trim ~ '</s>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt and messages[-1].role != 'assistant' -%}<s>assistant:{%- endif -%}
"""

TEMPLATES["channels"] = """\
{%- set effort = reasoning_effort | default("medium") -%}
{%- set has_tools = tools is defined and tools is not none and tools | length > 0 -%}
<|start|>system<|message|>Effort: {{ effort }}{{ "\\nTools: " ~ tools | map(attribute='function') | map(attribute='name') | join(', ') if has_tools }}
{%- if controls is defined and controls is mapping %}
{% for key, value in controls.items() %}
{{ key }} = {% if value is boolean %}{{ 'on' if value else 'off' }}{% elif value is number %}{{ value | round(2) }}{% else %}{{ value | tojson }}{% endif +%}
{% endfor %}
{% endif %}<|end|>
{%- for message in messages -%}
    {%- if message.role == 'assistant' and message.thinking is defined and not loop.last -%}
        <|start|>assistant<|channel|>analysis<|message|>{{ message.thinking }}<|end|>
    {%- endif -%}
    {%- if message.tool_calls -%}
        {%- set tool_call = message.tool_calls[0] -%}
        {%- set tool_call = tool_call.function if tool_call.function else tool_call -%}
        <|start|>assistant to=functions.{{ tool_call.name }}<|message|>{{ tool_call.arguments | tojson(separators=(',', ':'), sort_keys=true) }}<|call|>
    {%- elif message.role == 'tool' -%}
        <|start|>functions<|message|>{{ message.content | tojson }}<|end|>
    {%- else -%}
        <|start|>{{ message.role }}<|message|>{{ message.content }}<|end|>
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|start|>assistant{%- endif -%}
"""

WEATHER = {"type": "function", "function": {"name": "weather", "description": "Wetter in \"Köln\" & <Umland>",
           "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"},
           "tags": {"type": "array", "items": {"type": ["string", "number"]}}, "flags": {"type": "object",
           "additionalProperties": {"type": "boolean"}}}, "required": ["city"]}}}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {},
         "required": []}}}
CALL = {"type": "function", "id": "c1", "function": {"name": "weather", "arguments": {"days": 2, "city": "São Paulo"}}}


def m(role, content, **more):
    return {"role": role, "content": content, **more}


CONVERSATIONS = [
    [m("user", "Hello there!")],
    [m("system", "Be brief.  "), m("user", "  What is 2+2? \n")],
    [m("user", "Hi"), m("assistant", "Hello."), m("user", "And now?")],
    [m("system", "S"), m("user", "a"), m("assistant", "b"), m("user", "c"), m("assistant", "d\n"), m("user", "e")],
    [m("user", "Go on:"), m("assistant", "Once upon")],
    [m("user", "")],
    [m("system", ""), m("user", "x")],
    [m("user", "Grüße, 世界! 🎉 <b>\"q\" & 'p'</b>\t\u2028"), m("assistant", "Ångström ß ŉ Ωmega"), m("user", "é\u0301")],
    [m("assistant", "I start"), m("user", "why?")],
    [m("user", "one"), m("user", "two")],
    [m("user", "q"), m("assistant", "<think>\nhm, {{ x }}\n</think>\n\nanswer {% if %}")],
    [m("user", "q"), m("assistant", "r", reasoning_content="because"), m("user", "more")],
    [m("user", "q"), m("assistant", None, tool_calls=[CALL]), m("tool", "22 °C"), m("tool", "dry"), m("user", "thanks")],
    [m("user", "q"), m("assistant", "", tool_calls=[CALL, CALL]), m("tool", "22 °C")],
    [m("user", [{"type": "text", "text": " look "}, {"type": "image"}, {"type": "text", "text": "!"}])],
    [m("robot", "beep")],
    [],
]
EXTRAS = [
    {},
    {"tools": [WEATHER, CLOCK], "controls": {"citations": True, "t": 0.125, "n": 7, "s": "a\"b"}},
    {"enable_thinking": False, "documents": [{"title": "A", "text": "alpha"}, {"title": "B", "text": "beta"}],
     "date_string": "24 Dec 2024", "use_default_prompt": True, "extra": {"b": 1, "A": [None, 1.5]}},
    {"tools": [WEATHER], "tools_in_user_message": False, "reasoning_effort": "high", "controls": ["citations"]},
]


def outcome(template, messages, extra, add_generation_prompt):
    """The rendered text, or None and the reason."""
    try:
        extra = dict(extra)
        rendered, _ = render_jinja_template([messages], tools=extra.pop("tools", None),
                                            documents=extra.pop("documents", None), chat_template=template,
                                            add_generation_prompt=add_generation_prompt, bos_token="<s>",
                                            eos_token="</s>", **extra)
        text = rendered[0]
        text.encode()
        return text, ""
    except Exception as error:  # whatever it is, we must refuse too
        return None, f"{type(error).__name__}: {error}"[:160]


# --- random templates -------------------------------------------------------------------------------------------------

VARIABLES = {"n": 3, "z": 0, "neg": -7, "f": 2.5, "t": True, "nil": None, "s": "hello World", "u": "Zoë ß 世界\n", "e": "",
             "ml": "a\n\n  b \nc", "l": [3, 1, 2], "ls": ["b", "A", "c", "b"], "d": {"b": 1, "a": "x", "k": [1, {"y": None}]},
             "rows": [{"v": 2, "w": "q"}, {"v": 1, "w": "P"}, {"v": 2}], "num": " 42 ", "big": 1e16, "small": 0.00001}


class Grammar:
    def __init__(self, rng):
        self.r = rng

    def pick(self, *choices):
        return self.r.choice(choices)

    def text(self):
        return self.pick("'ab'", "\"x y\"", "s", "u", "e", "ml", "'a' 'b'", r"'\n'", r"'t\té\'\u00e9'", "num", "'-'", "'l'")

    def number(self):
        return self.pick("n", "z", "neg", "f", "1", "2", "10", "0.5", "1e3", "3.0", "-2", "big", "small", "7 // 2", "1_000")

    def sequence(self):
        return self.pick("l", "ls", "d", "rows", "[1, 'a', none]", "(1, 2)", "[]", "range(4)", "range(5, 0, -2)", "s",
                         "{'k': 1, 2: 'v'}", "d.items()", "d.keys() | list", "(n,)", "ls[1:]")

    def atom(self):
        return self.pick(self.text(), self.number(), self.sequence(), "t", "nil", "false", "missing", "d.a", "d['k'][1]",
                         "d.nope", "l[0]", "l[-1]", "rows[0].w", "s[1:4]", "u[::-1]", "u[4]", "loop.index", "ns.x", "x")

    def test(self):
        return self.pick("defined", "undefined", "none", "string", "number", "integer", "float", "mapping", "iterable",
                         "sequence", "boolean", "true", "false", "odd", "even", "divisibleby(2)", "in [1, 'a', 3]",
                         "eq 3", "ne('x')", "lt 2", "ge(2)", "lower", "upper", "sameas none", "callable")

    def filter(self):
        return self.pick("trim", "upper", "lower", "title", "capitalize", "length", "count", "join", "join(', ')", "default('D')",
                         "d('D', true)", "tojson", "tojson(indent=2)", "tojson(ensure_ascii=true)", "first", "last", "list",
                         "reverse | list", "replace('l', 'L')", "replace('', '.', 2)", "string", "int", "float", "int(-1)",
                         "items | list", "dictsort", "indent(2)", "indent(2, true)", "indent('> ', blank=true)", "round",
                         "round(1)", "round(1, 'floor')", "abs", "sort", "sort(reverse=true)", "unique | list", "e", "safe",
                         "map('string') | list", "map('upper') | join('+')", "select | list", "select('string') | list",
                         "reject('odd') | list", "map(attribute='v') | list", "map(attribute='w', default='?') | list",
                         "selectattr('v', 'eq', 2) | list", "rejectattr('w') | list", "sort(attribute='v')",
                         "sort(attribute='v,w')", "min", "max", "sum", "sum(attribute='v')", "batch(2) | list", "trim('ab')",
                         "dictsort(by='value')", "dictsort(reverse=true)", "wordcount", "tojson(separators=(',', ':'))",
                         "attr('a')", "unique(attribute='v') | list", "unknownfilter")

    def method(self):
        return self.pick("strip()", "strip('a')", "lstrip()", "rstrip('\\n')", "split()", "split('l')", "split('l', 1)",
                         "split(maxsplit=1)", "rsplit(' ', 1)", "startswith('h')", "endswith(('d', 'b'))", "upper()", "lower()",
                         "title()", "capitalize()", "replace('l', 'LL', 1)", "find('o')", "rfind('l')", "join(ls)", "count('l')",
                         "splitlines()", "splitlines(true)", "isdigit()", "isupper()", "isspace()", "partition(' ')",
                         "removeprefix('he')", "zfill(8)", "center(9, '*')", "swapcase()", "index('h')", "get('a')",
                         "get('q', 'Q')", "items()", "keys()", "values()", "append(1)", "nope()", "isalpha()", "rpartition('l')")

    def expr(self, depth):
        if depth <= 0 or self.r.random() < 0.15:
            return self.atom()
        sub = lambda: self.expr(depth - 1)  # noqa: E731
        kind = self.r.randrange(17)
        if kind == 0:
            if self.r.random() < 0.2:  # powers of large numbers do not fit into 64 bits
                return self.pick("neg ** n", f"{self.pick('n', 'f', '2', 'z')} ** {self.pick('2', 'z', '0.5', '-1', 'n')}")
            return f"({sub()} {self.pick('+', '-', '*', '/', '//', '%')} {self.pick(self.number(), self.text())})"
        if kind == 1:
            return f"{self.number()} {self.pick('+', '-', '*', '/', '//', '%')} {self.number()}"
        if kind == 2:
            return f"{self.atom()} {self.pick('==', '!=', '<', '>=', 'in', 'not in')} {self.atom()}"
        if kind == 3:
            return f"{sub()} {self.pick('and', 'or')} {sub()}"
        if kind == 4:
            return f"not {self.atom()}"
        if kind == 5:
            return f"{self.atom()} is {self.pick('', 'not ')}{self.test()}"
        if kind in (6, 7, 8, 9):
            return f"{self.pick(self.sequence(), self.text(), self.number(), self.atom())} | {self.filter()}"
        if kind in (10, 11):
            return f"{self.pick(self.text(), self.text(), 'd', 'l')}.{self.method()}"
        if kind == 12:
            return f"{sub()} ~ {self.atom()}"
        if kind == 13:
            return f"({sub()} if {sub()}{self.pick('', ' else ' + self.atom())})"
        if kind == 14:
            return f"{self.pick('l', 's', 'u', 'ls', '(1, 2, 3)')}[{self.pick('', '1', '-2', '0')}:{self.pick('', '2', '-1')}{self.pick('', ':2', ':-1')}]"
        if kind == 15:
            return f"1 {self.pick('<', '<=')} {self.number()} {self.pick('<', '!=', '>')} {self.number()}"
        return f"({sub()}) | {self.filter()}"

    def space(self):
        return self.pick("", "", " ", "\n", "  \n", "\n  ", "-", "\n\n")

    def tag(self, inside):
        return "{%" + self.pick("", "", "-", "+") + " " + inside + " " + self.pick("", "", "-", "+") + "%}"

    def block(self, depth):
        parts = []
        for _ in range(self.r.randint(1, 3)):
            kind = self.r.randrange(10) if depth > 0 else 0
            if kind <= 2:
                parts.append("{{" + self.pick("", "-") + f" {self.expr(2)} " + self.pick("", "-") + "}}")
            elif kind == 3:
                parts.append(self.tag(f"if {self.expr(1)}") + self.block(depth - 1)
                             + self.pick("", self.tag("else") + self.block(depth - 1)) + self.tag("endif"))
            elif kind in (4, 5):
                head, seq = self.pick(("x", self.sequence()), ("k, v", self.pick("d.items()", "d | dictsort", "rows")),
                                      ("x", f"{self.sequence()} if x"), ("x", f"{self.sequence()} if x is string"))
                parts.append(self.tag(f"for {head} in {seq}") + self.block(depth - 1)
                             + self.pick("", self.tag("if loop.index > 1") + self.tag(self.pick("break", "continue")) + self.tag("endif"))
                             + "{{ loop." + self.pick("index", "last", "length", "revindex0", "previtem", "nextitem", "first") + " }}"
                             + self.pick("", self.tag("else") + "none") + self.tag("endfor"))
            elif kind == 6:
                parts.append(self.tag(f"set x = {self.expr(2)}"))
            elif kind == 7:
                parts.append(self.tag(f"set ns.x = {self.expr(1)}"))
            elif kind == 8:
                parts.append(self.tag("set x") + self.block(depth - 1) + self.tag("endset"))
            else:
                parts.append("{#" + self.pick("", "-") + " note " + self.pick("", "-", "+") + "#}")
            parts.append(self.pick("", "a ", "\n", " b\n", "  ", self.space()))
        return "".join(parts)

    def template(self):
        head = "{% set ns = namespace(x=1) %}\n" + self.pick("", "{% macro mac(p, q='Q') %}<{{ p }}{{ q }}>{% endmacro %}{{ mac(n) }}")
        return head + self.block(2)


def unstable(text):
    """Prints an address, the order of a set, a complex number, or what only Python's own objects print."""
    return text is not None and ("object at 0x" in text or "<built-in" in text or "<bound" in text or "<function" in text
                                 or "<macro" in text or "Macro" in text or "LoopContext" in text or re.search(r"[0-9]j\)", text))


def random_pairs(count, seed):
    cases = []
    rng = random.Random(seed)
    raising = 0
    while len(cases) < count:
        template = Grammar(rng).template()
        expected, why = outcome(template, CONVERSATIONS[0], VARIABLES, True)
        if unstable(expected) or len(template) > 1200 or (expected and len(expected) > 3000):
            continue
        if expected is None:
            if raising * 3 > len(cases):  # most pairs should render
                continue
            raising += 1
        cases.append({"template": template, "messages": 0, "extra": VARIABLES, "add_generation_prompt": True,
                      "expected": expected, "why": why})
    return cases


def main():
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("templates.json")
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 240
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    templates = [{"name": name, "source": source} for name, source in TEMPLATES.items()]
    cases = []
    for t, template in enumerate(templates):
        for c, conversation in enumerate(CONVERSATIONS):
            for e, extra in enumerate(EXTRAS):
                generate = (c + e) % 3 != 0
                expected, why = outcome(template["source"], conversation, extra, generate)
                if e and expected is None and (c + t) % 4:
                    continue  # one refusal per kind is enough
                cases.append({"template": t, "messages": c, "extra": extra, "add_generation_prompt": generate,
                              "expected": expected, "why": why})
    own = len(cases)
    cases += random_pairs(count, seed)
    # Sets of variables are written once and referred to by number.
    extras = []
    for case in cases:
        if case["extra"] not in extras:
            extras.append(case["extra"])
        case["extra"] = extras.index(case["extra"])
    lines = ["{", '"bos_token": "<s>", "eos_token": "</s>",']
    for name, rows in (("templates", templates), ("conversations", CONVERSATIONS), ("extras", extras), ("cases", cases)):
        body = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
        lines.append(f'"{name}": [\n{body}\n]' + ("," if name != "cases" else ""))
    target.write_text("\n".join(lines) + "\n}\n", encoding="utf-8")
    raising = sum(case["expected"] is None for case in cases)
    print(f"{target}: {own} own and {len(cases) - own} random cases, {raising} of them raise, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
