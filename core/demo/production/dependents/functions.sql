-- Functions with uuid arguments, results and variables, made by hand beside the application.

CREATE FUNCTION record_stage_change() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO deal_stage_history (deal_id, from_stage_id, to_stage_id, changed_by)
    VALUES (NEW.id, OLD.pipeline_stage_id, NEW.pipeline_stage_id, NEW.owner_id);
    RETURN NULL;
END
$$;

CREATE FUNCTION write_audit_log() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = public, pg_temp
AS $$
DECLARE
    tenant uuid := NEW.organization_id;
    entity uuid := NEW.id;
BEGIN
    INSERT INTO audit_logs (organization_id, action, entity_type, entity_id, payload)
    VALUES (tenant, lower(TG_OP), TG_ARGV[0], entity, jsonb_build_object('id', NEW.id));
    RETURN NULL;
END
$$;

-- Text on both sides: works whatever the type of the keys.
CREATE FUNCTION share_document(p_document uuid, p_user uuid, p_may_edit boolean DEFAULT false) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
DECLARE
    permission uuid;
BEGIN
    IF NOT EXISTS (SELECT FROM users WHERE id::text = p_user::text AND is_active) THEN
        RAISE EXCEPTION 'user % is not active', p_user USING ERRCODE = 'foreign_key_violation';
    END IF;
    INSERT INTO document_permissions (document_id, user_id, may_edit)
    VALUES (p_document, p_user, p_may_edit)
    RETURNING id INTO permission;
    RETURN permission;
END
$$;

-- Compares a key with a uuid argument: fails when called, once the keys are varchar.
CREATE FUNCTION organization_deal_count(p_organization uuid) RETURNS bigint
    LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN (SELECT count(*) FROM deals WHERE organization_id = p_organization AND deleted_at IS NULL);
END
$$;

-- The same in SQL.
CREATE FUNCTION user_display_name(p_user uuid) RETURNS text
    LANGUAGE sql STABLE
AS $$
    SELECT full_name || coalesce(' (' || job_title || ')', '') FROM users WHERE id = p_user
$$;

CREATE FUNCTION current_organization() RETURNS text
    LANGUAGE sql STABLE
AS $$
    SELECT nullif(current_setting('app.organization_id', true), '')
$$;
