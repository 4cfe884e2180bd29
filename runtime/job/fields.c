#include "job/fields.h"

size_t job_fields(const struct job *job, struct log_field *fields)
{
    size_t count = 0;
    fields[count++] = F_TEXT("server", job->server);
    fields[count++] = F_ID("id", job->id);
    if (job->tube)
        fields[count++] = F_TEXT("tube", job->tube);
    if (*job->envelope.id)
        fields[count++] = F_TEXT("record", job->envelope.id);
    for (size_t i = 0; i < count; i++)
        fields[i].of_job = true;
    return count;
}
